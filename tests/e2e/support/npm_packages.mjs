// The npm packages of tests/npm. Where they could not be installed (tests/npm/install), a test that uses one is skipped if
// its test() is the one of this file.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { test as nodeTest } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "./harness.mjs";
import { pythonWith } from "./python_scripts.mjs";

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../../build/npm");
const require = createRequire(path.join(folder, "package.json"));
const isInstalled = fs.existsSync(path.join(folder, ".stamp"));

/** Reason to skip a test that needs packages, or false. */
export const withoutPackages = isInstalled
  ? false
  : "needs npm packages, which could not be installed";

class MissingPackage extends Error {}

/** A package's exports. If the package is missing, each throws when it is called. */
export function npm(name) {
  if (isInstalled) return require(name);
  const missing = function () {
    throw new MissingPackage(withoutPackages);
  };
  return new Proxy({}, { get: () => missing });
}

/** A package's module, for packages without require(). */
export async function npmModule(name, file) {
  if (!isInstalled) throw new MissingPackage(withoutPackages);
  return import(path.join(folder, "node_modules", name, file));
}

/** The lines that @mcap/core's reader prints of a file (tests/npm/mcap_read.mjs). */
export async function readMcap(t, how, file) {
  if (!isInstalled) throw new MissingPackage(withoutPackages);
  return (await run(t, process.execPath, ["tests/npm/mcap_read.mjs", how, file])).stdout.split(
    "\n"
  );
}

/** A Python with the module websockets, or undefined: not every Python has the distribution's package. */
export const python = () => pythonWith("websockets");

/** test() of node:test, which skips a test whose package is missing. */
export function test(name, ...rest) {
  const body = rest.pop();
  nodeTest(name, ...rest, async (t) => {
    try {
      await body(t);
    } catch (error) {
      if (!(error instanceof MissingPackage)) throw error;
      t.skip(withoutPackages); // error.message may say more
    }
  });
}
