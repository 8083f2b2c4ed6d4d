// A page that prepares images for a network, for the comparison with edgecnn's runtime.

import { pixelsOf, preprocess } from "./preprocess.js";
import { serve } from "./serve.js";

/** A file's bytes as the network's input. */
async function prepare({ spec }, { file }) {
  const { shape, data } = preprocess(await pixelsOf(new Blob([file.data])), spec);
  return { arrays: { input: { dtype: "float32", shape, data } } };
}

serve({ prepare });
