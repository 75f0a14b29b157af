// A command for `cut --shrink` whose result the test itself decides.
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

/** A shell command that sends its arguments to this process and gets its exit status from it, because starting node takes longer. */
export async function judgedByTest(t, dir, judge) {
  const asked = net
    .createServer((peer) =>
      peer.once("data", async (line) =>
        peer.end(String(await judge(...String(line).trim().split(" "))))
      )
    )
    .listen(0, "127.0.0.1");
  t.after(() => asked.close());
  await once(asked, "listening");
  fs.writeFileSync(
    path.join(dir, "client.sh"),
    `exec 3<>/dev/tcp/127.0.0.1/${asked.address().port}
    echo "$@" >&3
    read -r -u 3 end
    [ "$end" = crash ] && kill -ABRT $$
    exit "$end"`
  );
  return `bash ${dir}/client.sh "$@"`;
}
