// The Python interpreter itself: pyenv's "python3" is a script that starts eight shells to find it.
import { execFileSync } from "node:child_process";

export const PYTHON3 = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
