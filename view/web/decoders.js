// Two decoders over the shown time: the first message that they decode differently, and the book
// after it, side by side.

import { stringifyJson } from "./api.js";
import { bandName } from "./bands.js";
import { bandOptions, VerbRun } from "./command.js";
import { el } from "./dom.js";
import { prettyJson } from "./frames.js";
import { formatTime } from "./time.js";

const CONTEXT = 6; // equal lines beside different ones
const CELLS_MAX = 4 << 20; // of the table that finds equal lines

const KINDS = {
  decode: "decoded differently",
  book: "the messages are the same, the book after the frame is not",
  newly_failing: "only the first decoder decodes it",
  newly_decoding: "only the second decoder decodes it",
  reason: "not decoded, for different reasons",
  unstable: "a second call of a decoder gave another answer",
};

// Two lists of lines as rows: [left, right]. The lines of the longest common part are beside each
// other; so are the lines between, null where a side has fewer. If the lists are too long to find
// that part, their lines are paired in order.
function align(a, b) {
  const width = b.length + 1;
  const rows = [];
  let [i, j] = [0, 0]; // of the next lines
  let [left, right] = [0, 0]; // of the first lines that are not in rows yet
  const flush = () => {
    for (; left < i || right < j; left++, right++)
      rows.push([left < i ? a[left] : null, right < j ? b[right] : null]);
    [left, right] = [i, j];
  };
  if ((a.length + 1) * width <= CELLS_MAX) {
    const longest = new Uint32Array((a.length + 1) * width);
    for (let x = a.length - 1; x >= 0; x--)
      for (let y = b.length - 1; y >= 0; y--)
        longest[x * width + y] =
          a[x] === b[y]
            ? longest[(x + 1) * width + y + 1] + 1
            : Math.max(longest[(x + 1) * width + y], longest[x * width + y + 1]);
    while (i < a.length && j < b.length) {
      if (a[i] === b[j]) {
        flush();
        rows.push([a[i++], b[j++]]);
        [left, right] = [i, j];
      } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
        i++;
      } else {
        j++;
      }
    }
  }
  [i, j] = [a.length, b.length];
  flush();
  return rows;
}

function linesOf(message) {
  return message === null ? ["(unknown)"] : prettyJson(stringifyJson(message)).split("\n");
}

// A line for each level, from the highest price to the lowest.
function levelsOf(book) {
  const side = (name, levels) => levels.map(({ price, size }) => `${name} ${price} × ${size}`);
  return book === null
    ? ["(no book)"]
    : [...side("ask", book.asks).reverse(), ...side("bid", book.bids)];
}

// Lines of both decoders as a table. Equal lines far from different ones are left out.
function sideBySide(caption, names, was, is) {
  const rows = align(was, is);
  const isNear = (index) =>
    rows
      .slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1)
      .some(([left, right]) => left !== right);
  const isSame = rows.every(([left, right]) => left === right);
  const shown = rows.map((_, index) => isSame || isNear(index));
  const cell = (line, other, mark) =>
    el("td", {
      class: line === other ? "" : "changed",
      text: line === null ? "" : (line === other ? "  " : mark + " ") + line,
    });
  return el(
    "table",
    { class: "sides mono" },
    el("caption", { class: "offscreen", text: caption }),
    el("thead", {}, el("tr", {}, ...names.map((text) => el("th", { scope: "col", text })))),
    el(
      "tbody",
      {},
      ...rows.flatMap(([left, right], index) => {
        if (shown[index]) return [el("tr", {}, cell(left, right, "−"), cell(right, left, "+"))];
        return index > 0 && !shown[index - 1]
          ? []
          : [el("tr", {}, el("td", { text: "  …" }), el("td", { text: "  …" }))];
      })
    )
  );
}

export class DecodersPart {
  #state;
  #band; // functions
  #goTo;
  #run = new VerbRun();
  #result = el("div", { role: "status" });
  element = el(
    "div",
    {},
    el("h2", { text: "Decoders" }),
    el(
      "div",
      { class: "row" },
      el("button", {
        type: "button",
        text: "Compare the decoders",
        onclick: () => this.#compare(),
      }),
      el("span", {
        text: "Decodes the frames of the shown time twice, in the archive of the " + "chosen row.",
      })
    ),
    this.#run.element,
    this.#result
  );

  // goTo(place, side, from, to): show a time of an archive's {feed, topic, symbol}.
  constructor(state, band, goTo) {
    this.#state = state;
    this.#band = band;
    this.#goTo = goTo;
  }

  async #compare() {
    const { from, to, onlyBand, side } = this.#state;
    const band = this.#band();
    const selection = onlyBand && band !== undefined ? bandOptions(band) : [];
    this.#result.replaceChildren();
    const answer = await this.#run.verb("regress/check", [
      ...selection,
      ["from", from],
      ["to", to],
    ]);
    const found = answer?.results[0];
    if (found === undefined) return;
    const { compared, same } = found.totals;
    const text = (count) => count.toLocaleString("en");
    this.#result.append(
      el("p", {
        text:
          `${found.was.decoder} and ${found.is.decoder}: ` +
          `${text(compared)} frames compared, ${text(same)} the same, ` +
          `${text(compared - same)} different.`,
      })
    );
    if (found.first_difference !== null) this.#draw(found, side);
  }

  #draw(found, side) {
    const first = found.first_difference;
    const place = {
      feed: first.feed,
      topic: first.topic ?? "_unknown",
      symbol: first.symbol ?? "",
      label: "",
    };
    const at = BigInt(first.recv_ns);
    const names = [found.was.decoder, found.is.decoder];
    this.#result.append(
      el("p", {
        text:
          `First difference: ${bandName(place)}, received at ${formatTime(at)} UTC, ` +
          `connection ${first.connection}, frame ${first.ordinal}: ` +
          `${KINDS[first.kind] ?? first.kind}.`,
      }),
      el("button", {
        type: "button",
        text: "Move the cursor to this frame",
        onclick: () => this.#goTo(place, side, at, at),
      }),
      sideBySide(
        "The message by either decoder",
        names,
        linesOf(first.decode_was),
        linesOf(first.decode_is)
      )
    );
    if (first.book_was !== null || first.book_is !== null)
      this.#result.append(
        el("p", { text: "The book after this frame:" }),
        sideBySide(
          "The book after this frame by either decoder",
          names,
          levelsOf(first.book_was),
          levelsOf(first.book_is)
        )
      );
  }
}
