// JSON Schema of the topics, as `tapedeck topics --json-schema` prints it, held against real frames by an
// independent validator: what is decoded validates, and what has a value of another type does not.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { CAPTURES, jsonLines, tapedeck, withoutCapture } from "./lib.mjs";
import { npm, test } from "./npm.mjs";

const { Ajv2020 } = npm("ajv/dist/2020");

const FRAMES = path.join(CAPTURES, "frames");
const needs = { skip: withoutCapture("frames") };

// Families whose frames a folder holds, most likely first.
const V5 = ["v5-linear", "v5-spot", "v5-option", "v5-spread", "v5-private", "v5-misc", "v5-inverse"];
const FAMILIES = {
  "contract-v3": ["contract-v3"],
  "copy-trading": ["copytrade"],
  "inverse-futures": ["inverse"],
  "inverse-perpetual": ["inverse"],
  linear: ["linear"],
  "spot-private": ["spot-private"],
  "spot-v1": ["spot-v1"],
  "spot-v2": ["spot-v2"],
  "usdc-option": ["usdc-option", "usdc-private"],
  "usdc-perp": ["usdc-perp", "usdc-private"],
  v5: V5,
};

const NO_MESSAGE = new Set(["raw", "control", "request"]);

// Each frame of a folder with the first of its families that decodes it: [{ name, family, topic, frame }].
async function decodedFrames(t, folder) {
  const dir = path.join(FRAMES, folder);
  const names = fs.readdirSync(dir).filter((n) => n.endsWith(".json")).sort();
  const texts = names.map((n) => fs.readFileSync(path.join(dir, n), "utf8").replace(/^\uFEFF/, ""));
  const found = new Map();
  for (const family of FAMILIES[folder]) {
    const input = texts.map((text) => text.replace(/[\r\n]+/g, " ") + "\n").join("");
    const messages = await jsonLines(t, ["decode", "--family", family], { stdin: input, status: null });
    assert.equal(messages.length, names.length, `${folder} as ${family}: one message a frame`);
    messages.forEach((message, i) => {
      // v5 frames say in their name which category they are of.
      const category = /\.(linear|inverse|spot|option|spread)\b/.exec(names[i])?.[1];
      const fits = folder !== "v5" || category === undefined || family === `v5-${category}` || family === "v5-private";
      if (fits && !NO_MESSAGE.has(message.type) && !found.has(i))
        found.set(i, { name: `${folder}/${names[i]}`, family, topic: message.topic, exchange_ns: message.exchange_ns, frame: JSON.parse(texts[i]) });
    });
  }
  return [...found.values()];
}

// The JSON types that a schema allows at a path, or null if it says nothing about it.
function typesAt(schema, keys, root = schema) {
  if (schema.$ref) return typesAt(schema.$ref.split("/").slice(1).reduce((s, k) => s[k], root), keys, root);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const known = choices.map((s) => typesAt(s, keys, root)).filter((types) => types !== null);
    return known.length === 0 ? null : known.flat();
  }
  if (keys.length === 0) return schema.enum ? [...new Set(schema.enum.map((v) => typeof v))] : schema.type === undefined ? null : [schema.type].flat();
  const [key, ...rest] = keys;
  if (typeof key === "number") {
    const element = schema.prefixItems?.[key] ?? schema.items;
    return element ? typesAt(element, rest, root) : null;
  }
  const member = schema.properties?.[key];
  return member ? typesAt(member, rest, root) : null;
}

function* leaves(value, keys = []) {
  if (value === null || typeof value !== "object") yield keys;
  else if (Array.isArray(value)) for (let i = 0; i < value.length; i++) yield* leaves(value[i], [...keys, i]);
  else for (const key of Object.keys(value)) yield* leaves(value[key], [...keys, key]);
}

function replaced(value, keys, by) {
  const copy = structuredClone(value);
  keys.slice(0, -1).reduce((v, k) => v[k], copy)[keys.at(-1)] = by;
  return copy;
}

// A value of a type that is not among those.
const wrongTypes = (types) => [["object", { x: 1 }], ["boolean", true], ["array", [[]]]].filter(([type]) => !types.includes(type)).map(([, value]) => value);

test("every decodable captured frame validates, and none whose types are changed", needs, async (t) => {
  const ajv = new Ajv2020({ strict: false });
  const validators = new Map();
  let frames = 0;
  let mutants = 0;
  for (const folder of Object.keys(FAMILIES)) {
    const decoded = await decodedFrames(t, folder);
    assert.ok(decoded.length > 0, `${folder}: some frame is decoded`);
    for (const { name, family, topic, exchange_ns, frame } of decoded) {
      // A frame says itself when it was made: a topic may have looked otherwise then.
      const at = exchange_ns ? ["--at", new Date(Number(BigInt(exchange_ns) / 1_000_000n)).toISOString()] : [];
      const { stdout } = await tapedeck(t, ["topics", "--family", family, "--json-schema", topic, ...at]);
      if (!validators.has(stdout)) {
        const schema = JSON.parse(stdout);
        validators.set(stdout, { schema, validate: ajv.compile(schema) });
      }
      const { schema, validate } = validators.get(stdout);
      assert.ok(validate(frame), `${name}: ${ajv.errorsText(validate.errors)}`);
      frames++;
      for (const keys of leaves(frame)) {
        const types = typesAt(schema, keys);
        if (types === null) continue; // a member that the row does not name: kept, and free
        for (const wrong of wrongTypes(types)) {
          assert.ok(!validate(replaced(frame, keys, wrong)), `${name}: ${keys.join(".")} as ${JSON.stringify(wrong)} validates`);
          mutants++;
        }
      }
    }
  }
  t.diagnostic(`${frames} frames of ${validators.size} topics validate; ${mutants} mutants do not`);
});
