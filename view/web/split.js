// The frames at the cursor beside a picture that gets most of the page's height, in a wide window:
// their width, and the border that changes it by pointer and by keys.

import { isSavedPage } from "./saved.js";
import { SPLIT_MAX } from "./state.js";

const WIDE = "(min-width: 900px)"; // as in style.css
const SPLIT_MIN = 15; // a smaller width closes the frames
const SPLIT_OPEN = 32; // after they were closed
const KEY_STEP = 2;

function allowed(percent) {
  const whole = Math.round(percent);
  return whole < SPLIT_MIN ? 0 : Math.min(SPLIT_MAX, whole);
}

export class Split {
  #main;
  #border;
  #state;
  #wide = matchMedia(WIDE);
  #isWanted = false;
  #pointer = null; // of a drag

  // onChange(): isOpen may have changed.
  constructor(main, border, state, onChange) {
    this.#main = main;
    this.#border = border;
    this.#state = state;
    border.setAttribute("aria-valuemax", SPLIT_MAX);
    border.addEventListener("pointerdown", (event) => this.#onDown(event));
    border.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const end of ["pointerup", "pointercancel"])
      border.addEventListener(end, () => {
        this.#pointer = null;
      });
    border.addEventListener("keydown", (event) => this.#onKey(event));
    this.#wide.addEventListener("change", onChange);
    state.listen((changed) => {
      if (changed.has("split")) onChange();
    });
  }

  // True if the frames are shown beside the picture.
  get isOpen() {
    return this.#isWanted && this.#wide.matches && this.#state.split > 0;
  }

  // isTall: the shown panel has such a picture. A saved page has no frames.
  show(isTall) {
    const { split } = this.#state;
    this.#isWanted = isTall && !isSavedPage;
    this.#border.hidden = !this.#isWanted || !this.#wide.matches;
    this.#border.setAttribute("aria-valuenow", split);
    this.#border.setAttribute("aria-valuetext", split === 0 ? "closed" : `${split} %`);
    this.#main.classList.toggle("bordered", !this.#border.hidden);
    this.#main.classList.toggle("split", this.isOpen);
    this.#main.style.setProperty("--split", `${this.isOpen ? split : 0}%`);
  }

  #set(percent) {
    this.#state.set({ split: allowed(percent) });
  }

  #onDown(event) {
    if (event.button !== 0) return;
    event.preventDefault(); // no text is selected
    this.#border.focus();
    this.#border.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
  }

  #onMove(event) {
    if (event.pointerId !== this.#pointer) return;
    const { right, width } = this.#main.getBoundingClientRect();
    this.#set(((right - event.clientX) / width) * 100);
  }

  #onKey(event) {
    const { split } = this.#state;
    const wider = split === 0 ? SPLIT_MIN : split + KEY_STEP;
    const to = {
      ArrowLeft: wider,
      ArrowRight: split - KEY_STEP,
      Home: SPLIT_MAX, // the border is at the left, at the right
      End: 0,
      Enter: split === 0 ? SPLIT_OPEN : 0,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#set(to);
  }
}
