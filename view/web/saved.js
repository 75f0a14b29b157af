// The answers of a page that was saved as a file (`tapedeck report`): they are in the page itself,
// compressed. Without them the page asks its server.

const element = globalThis.document?.getElementById("saved") ?? null;
const saved = element === null ? null : JSON.parse(element.textContent);

export const isSavedPage = saved !== null;

globalThis.document?.documentElement.classList.toggle("saved", isSavedPage);

export const isDamaged = saved?.is_damaged ?? false;

export const savedNs = BigInt(saved?.saved_ms ?? 0) * 1_000_000n;

const WHERE = "The archive is needed for this: run `tapedeck view` with it.";

export function unsaved(what) {
  const error = new Error(`${what} not saved in this file. ${WHERE}`);
  error.status = 404;
  return error;
}

// True if the question has an answer: each question to a server, or a saved one.
export function hasAnswer(question) {
  return saved === null || Object.hasOwn(saved.answers, question);
}

// The answer of the server (fetch), or the saved one, as a Response.
export async function answerTo(question, signal) {
  if (saved === null) return fetch(`api/${question}`, { signal, cache: "no-store" });
  if (!hasAnswer(question)) throw unsaved("This was");
  const bytes = Uint8Array.from(atob(saved.answers[question]), (char) => char.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(plain);
}
