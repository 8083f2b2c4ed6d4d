// Messages between a page and Python: one line of JSON, then the bytes of its arrays.

import { arrayOf } from "./engines.js";

export function encodeMessage(fields, arrays = {}) {
  const parts = Object.entries(arrays).map(([name, { dtype, shape, data }]) =>
    ({ name, dtype, shape, bytes: data.byteLength, data }));
  const listing = parts.map(({ data, ...rest }) => rest);
  const head = `${JSON.stringify({ ...fields, arrays: listing })}\n`;
  return new Blob([head, ...parts.map((part) => part.data)]);
}

export function decodeMessage(buffer) {
  const bytes = new Uint8Array(buffer);
  const end = bytes.indexOf(10);
  const { arrays: listing, ...fields } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const arrays = {};
  let offset = end + 1;
  for (const { name, dtype, shape, bytes: length } of listing) {
    arrays[name] = { dtype, shape, data: arrayOf(dtype, buffer.slice(offset, offset + length)) };
    offset += length;
  }
  return { fields, arrays };
}
