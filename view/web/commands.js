// The panel of commands that use the shown time and the chosen topic.

import { bandOptions, CommandText, commandLine } from "./command.js";
import { el } from "./dom.js";

const COMMANDS = [
  {
    verb: "cut",
    options: ["--out", "part.mcap"],
    needsFeed: true,
    title: "Write the selection as one file, with the state at its first frame",
  },
  {
    verb: "export",
    options: ["--format", "parquet", "--out", "dataset"],
    title: "Export the selection as a dataset",
  },
  { verb: "serve", options: [], title: "Replay the selection as a WebSocket server" },
  { verb: "note add", options: ["TEXT"], title: "Write a note about the selection" },
  { verb: "cat", options: [], title: "Print the frames" },
  { verb: "gaps", options: [], title: "List the gaps" },
];

export class CommandsPanel {
  #state;
  #archive; // functions
  #band;
  #only = el("input", { type: "checkbox" });
  #commands = COMMANDS.map((command) => ({ ...command, text: new CommandText() }));

  constructor(panel, state, archive, band) {
    this.#state = state;
    this.#archive = archive;
    this.#band = band;
    this.#only.addEventListener("change", () => state.set({ onlyBand: this.#only.checked }));
    panel.append(
      el(
        "div",
        { class: "row" },
        el("label", {}, this.#only, "only this topic"),
        el("span", {
          text: "The commands select the shown time. A cut holds one session of one " + "feed.",
        })
      ),
      ...this.#commands.flatMap(({ title, text }) => [el("h2", { text: title }), text.element])
    );
    state.listen(() => this.#draw());
  }

  show() {
    this.#draw();
  }

  #draw() {
    const archive = this.#archive();
    const band = this.#band();
    this.#only.checked = this.#state.onlyBand;
    if (archive === null || this.#state.tab !== "commands") return;
    for (const { verb, options, needsFeed, text } of this.#commands) {
      const all = band === undefined ? [] : bandOptions(band);
      const selected = this.#state.onlyBand
        ? all
        : all.filter(([name]) => needsFeed && name === "feed");
      text.set(
        commandLine([
          ...verb.split(" "),
          archive.path,
          ...selected.flatMap(([name, value]) => ["--" + name, value]),
          "--from",
          `${this.#state.from}`,
          "--to",
          `${this.#state.to}`,
          ...options,
        ])
      );
    }
  }
}
