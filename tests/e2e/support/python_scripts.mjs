// Runs all Python scripts of a test file in one process: starting an interpreter and importing numpy take longer than most
// scripts.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { after } from "node:test";
import { BIN, temporary } from "./harness.mjs";

export const LIBRARY = path.join(fs.realpathSync(BIN), "../lib/libtapedeck.so.0");
export const withoutLibrary = fs.existsSync(LIBRARY)
  ? false
  : "a library with a sanitizer does not load into Python";

/** The package tapedeck, laid out as installed: below the folder of its library. */
export function installed(t) {
  const lib = temporary(t);
  const packages = path.join(lib, "python3/dist-packages");
  fs.cpSync("embed/python", packages, { recursive: true });
  fs.symlinkSync(LIBRARY, path.join(lib, path.basename(LIBRARY)));
  return packages;
}

const SERVER = `
import contextlib, io, json, os, sys, traceback
compiled = {}
for line in sys.stdin:
    file, *sys.argv[1:] = json.loads(line)
    sys.argv[0], sys.path[0], out = file, os.path.dirname(file), io.StringIO()
    try:
        if file not in compiled:
            compiled[file] = compile(open(file, encoding="utf8").read(), file, "exec")
        with contextlib.redirect_stdout(out):
            exec(compiled[file], {"__name__": "__main__", "__file__": file})
        answer = {"stdout": out.getvalue()}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
`;

const found = new Map();

/** The path of a Python interpreter that has this module, or undefined: pyenv's "python3" is a script that starts shells. */
export function pythonWith(module) {
  if (!found.has(module)) {
    const print = `import importlib.util, sys; importlib.util.find_spec("${module}") and print(sys.executable)`;
    const paths = ["/usr/bin/python3", "python3"].map((name) =>
      spawnSync(name, ["-c", print], { encoding: "utf8" }).stdout?.trim()
    );
    found.set(
      module,
      paths.find((path) => path !== undefined && path !== "")
    );
  }
  return found.get(module);
}

/** A function that runs a script: (file, ...arguments) -> its output. The process ends with the test file: call this outside of tests. */
export function scripts(python) {
  let child, lines, closed;
  after(() => child?.stdin.end());
  const answer = async (file, ...args) => {
    if (child === undefined) {
      child = spawn(python, ["-B", "-c", SERVER], { stdio: ["pipe", "pipe", "inherit"] });
      child.stdin.on("error", () => {}); // it has ended
      lines = readline.createInterface({ input: child.stdout });
      closed = once(child, "close").then(() => [JSON.stringify({ error: `${python} ended` })]);
    }
    const answered = once(lines, "line");
    child.stdin.write(JSON.stringify([file, ...args]) + "\n");
    const { stdout, error } = JSON.parse((await Promise.race([answered, closed]))[0]);
    if (error !== undefined) throw new Error(`${file} ${args.join(" ")}\n${error}`);
    return stdout;
  };
  let last = Promise.resolve();
  return (...call) => (last = last.catch(() => {}).then(() => answer(...call)));
}
