// Images as the input of a network, as edgecnn's runtime prepares them: grey level for grey level
// what Pillow resizes, and the same float32 arithmetic after it.

const KERNELS = {
  bilinear: { support: 1, height: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, height: cubic },
};

/** Cubic convolution kernel, Keys 1981, equation 4, with a = -0.5. */
function cubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/**
 * The pixels of an image file, a picture or a frame of a video.
 *
 * As Pillow reads them: upright, colour profiles left aside, and the colours under a transparent
 * part kept, where the browser allows it.
 *
 * @returns {Promise<{width: number, height: number, data: Uint8ClampedArray}>} RGBA.
 */
export async function pixelsOf(source) {
  const bitmap = await createImageBitmap(source, {
    imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none",
  });
  try {
    const { width, height } = bitmap;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { width, height, data: isOpaque(data) ? data : await unmultiplied(bitmap, data) };
  } finally {
    bitmap.close();
  }
}

function isOpaque(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

/** The colours of a bitmap with transparent parts; a canvas has multiplied them by alpha. */
async function unmultiplied(bitmap, fallback) {
  const { width, height } = bitmap;
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context || Math.max(width, height) > context.getParameter(context.MAX_TEXTURE_SIZE)) {
    return fallback;
  }
  context.bindTexture(context.TEXTURE_2D, context.createTexture());
  context.pixelStorei(context.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  const { TEXTURE_2D, RGBA, RGBA8, UNSIGNED_BYTE, FRAMEBUFFER, COLOR_ATTACHMENT0 } = context;
  context.texImage2D(TEXTURE_2D, 0, RGBA8, RGBA, UNSIGNED_BYTE, bitmap);
  context.bindFramebuffer(FRAMEBUFFER, context.createFramebuffer());
  const texture = context.getParameter(context.TEXTURE_BINDING_2D);
  context.framebufferTexture2D(FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D, texture, 0);
  const data = new Uint8ClampedArray(width * height * 4);
  context.readPixels(0, 0, width, height, RGBA, UNSIGNED_BYTE, new Uint8Array(data.buffer));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return data;
}

/**
 * An image as the network's input, batch 1.
 *
 * @param {object} image width, height and RGBA data.
 * @param {object} spec `preprocess` of the bundle's manifest; `layout` as the model reads it.
 * @returns {{shape: number[], data: Float32Array}}
 */
export function preprocess(image, spec) {
  const size = resizedSize(image, spec.resize);
  const wanted = spec.crop ? { height: spec.crop[0], width: spec.crop[1] } : size;
  const rows = centre(size.height, wanted.height);
  const columns = centre(size.width, wanted.width);
  const region = resize(recolour(image, spec.colour), size, spec.filter, rows, columns);
  return normalise(region, spec, { top: rows.padding, left: columns.padding }, wanted);
}

/** Channels in the order that the network reads: {width, height, channels, data}. */
function recolour({ width, height, data }, colour) {
  const order = { RGB: [0, 1, 2], BGR: [2, 1, 0] }[colour];
  const channels = order ? 3 : 1;
  const levels = new Uint8Array(width * height * channels);
  for (let pixel = 0, at = 0; pixel < data.length; pixel += 4) {
    if (order) {
      for (const channel of order) levels[at++] = data[pixel + channel];
    } else {
      // Luma of ITU-R 601-2, rounded as Pillow does.
      const sum = 19595 * data[pixel] + 38470 * data[pixel + 1] + 7471 * data[pixel + 2];
      levels[at++] = (sum + 32768) >>> 16;
    }
  }
  return { width, height, channels, data: levels };
}

/** torchvision's rule: the longer side is truncated to a whole pixel. */
function resizedSize({ width, height }, resize) {
  if (resize === null) return { width, height };
  if (Array.isArray(resize)) return { height: resize[0], width: resize[1] };
  const longer = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  return height > width ? { height: longer, width: resize } : { height: resize, width: longer };
}

/** The middle of an axis, and the zeros before it: half to even when cropping, down when padding. */
function centre(length, wanted) {
  if (wanted > length) {
    return { start: 0, count: length, padding: Math.floor((wanted - length) / 2) };
  }
  const half = (length - wanted) / 2;
  const floor = Math.floor(half);
  const start = half === floor || floor % 2 === 0 ? floor : floor + 1;
  return { start, count: wanted, padding: 0 };
}

/** The part `rows` × `columns` of the image resized to `size`. */
function resize(image, size, filter, rows, columns) {
  const across = plan(image.width, size.width, KERNELS[filter], columns);
  const down = plan(image.height, size.height, KERNELS[filter], rows);
  // Pillow begins with the height where that loses more than twice as many pixels.
  const lost = image.width - size.width;
  if (image.height - size.height > Math.max(0, 2 * lost)) {
    return resampleAcross(resampleDown(image, down), across);
  }
  return resampleDown(resampleAcross(image, across, down), { ...down, shift: down.reads.start });
}

/** What each position of a part of a resized axis reads: first source pixels and weights. */
function plan(length, resized, kernel, { start, count }) {
  if (length === resized) return { first: null, start, count, reads: { start, stop: start + count } };
  const scale = length / resized;
  const widening = Math.max(scale, 1);
  const first = new Int32Array(count);
  const weights = [];
  for (let output = 0; output < count; output += 1) {
    const middle = (start + output + 0.5) * scale;
    const reach = kernel.support * widening;
    first[output] = Math.max(Math.trunc(middle - reach + 0.5), 0);
    const last = Math.min(Math.trunc(middle + reach + 0.5), length);
    weights.push(taps(first[output], last, middle, kernel, 1 / widening));
  }
  const stop = first[count - 1] + weights[count - 1].length;
  return { first, weights, start, count, reads: { start: first[0], stop } };
}

/** Weights of the source pixels first … last - 1, as Pillow rounds them: multiples of 2⁻²². */
function taps(first, last, middle, kernel, narrowing) {
  const heights = Float64Array.from({ length: last - first }, (_, tap) =>
    kernel.height((first + tap - middle + 0.5) * narrowing));
  const sum = heights.reduce((total, height) => total + height, 0);
  return heights.map((height) => {
    const steps = (height / sum) * 2 ** 22;
    return Math.trunc(steps + (steps < 0 ? -0.5 : 0.5)) / 2 ** 22;
  });
}

/** Resample the width of the rows that `down` reads; all rows where it is not given. */
function resampleAcross(image, across, down = { reads: { start: 0, stop: image.height } }) {
  const { width, channels, data } = image;
  const height = down.reads.stop - down.reads.start;
  const levels = new Uint8ClampedArray(across.count * height * channels);
  for (let row = 0, at = 0; row < height; row += 1) {
    const line = (down.reads.start + row) * width * channels;
    for (let column = 0; column < across.count; column += 1) {
      const from = line + (across.first ? across.first[column] : across.start + column) * channels;
      const weights = across.first ? across.weights[column] : [1];
      for (let channel = 0; channel < channels; channel += 1) {
        levels[at++] = weighted(data, from + channel, channels, weights);
      }
    }
  }
  return { width: across.count, height, channels, data: levels };
}

/** Resample the height; `shift` rows of the image have been left out before. */
function resampleDown(image, { first, weights, start, count, shift = 0 }) {
  const { width, channels, data } = image;
  const line = width * channels;
  const levels = new Uint8ClampedArray(line * count);
  for (let row = 0, at = 0; row < count; row += 1) {
    const from = ((first ? first[row] : start + row) - shift) * line;
    const own = first ? weights[row] : [1];
    for (let value = 0; value < line; value += 1) {
      levels[at++] = weighted(data, from + value, line, own);
    }
  }
  return { width, height: count, channels, data: levels };
}

/** A grey level, rounded half up; a clamped array clips it. */
function weighted(data, from, step, weights) {
  let sum = 0.5;
  for (let tap = 0, at = from; tap < weights.length; tap += 1, at += step) {
    sum += data[at] * weights[tap];
  }
  return Math.floor(sum);
}

/** (level * scale - mean) / std at a corner of a black image: one product and one sum in float32. */
function normalise(region, spec, { top, left }, { width, height }) {
  const { channels } = region;
  const isNchw = spec.layout === "NCHW";
  const data = new Float32Array(width * height * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const gain = Math.fround(spec.scale / spec.std[channel]);
    const offset = Math.fround(-spec.mean[channel] / spec.std[channel]);
    const values = Float32Array.from({ length: 256 }, (_, level) => Math.fround(level * gain) + offset);
    const [begin, step] = isNchw ? [channel * width * height, 1] : [channel, channels];
    for (let pixel = 0; pixel < width * height; pixel += 1) data[begin + pixel * step] = values[0];
    for (let row = 0, at = channel; row < region.height; row += 1) {
      for (let column = 0; column < region.width; column += 1, at += channels) {
        data[begin + ((top + row) * width + left + column) * step] = values[region.data[at]];
      }
    }
  }
  return { shape: isNchw ? [1, channels, height, width] : [1, height, width, channels], data };
}
