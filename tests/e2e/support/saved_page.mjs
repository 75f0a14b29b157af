// The file that `report` writes: the answers in it.
import assert from "node:assert/strict";
import fs from "node:fs";
import zlib from "node:zlib";

const DATA = /<script type="application\/json" id="saved">([^<]*)<\/script>/;

/** The page's text, and its answers: from a question to bytes. */
export function readSavedPage(file) {
  const html = fs.readFileSync(file, "utf8");
  const { answers, ...about } = JSON.parse(
    DATA.exec(html)?.[1] ?? assert.fail("the page has no answers")
  );
  return {
    html,
    about,
    answers: new Map(
      Object.entries(answers).map(([question, packed]) => [
        question,
        zlib.inflateSync(Buffer.from(packed, "base64")),
      ])
    ),
  };
}

/** An answer that is JSON. */
export const jsonOf = ({ answers }, question) => JSON.parse(answers.get(question));
