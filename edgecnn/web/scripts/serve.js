// A page that fulfils the requests of the program that opened it, one at a time.

import { decodeMessage, encodeMessage } from "./messages.js";

/**
 * Ask for requests and send the replies, for ever.
 *
 * @param {object} tasks name → async (fields, arrays) → {fields, arrays}; a request names one of
 *   them in "do".
 */
export async function serve(tasks) {
  // Never read: when the page dies, its connection closes, and the program sees it.
  globalThis.alive = fetch("alive");
  for (;;) {
    const response = await fetch("next");
    if (response.status === 204) continue;
    const { fields, arrays } = decodeMessage(await response.arrayBuffer());
    await fetch("reply", { method: "POST", body: await fulfil(tasks, fields, arrays) });
  }
}

async function fulfil(tasks, { do: task, ...fields }, arrays) {
  try {
    const reply = await tasks[task](fields, arrays);
    return encodeMessage(reply.fields ?? {}, reply.arrays);
  } catch (error) {
    return encodeMessage({ error: error?.message || String(error) });
  }
}
