// Makes elements. All text from the archive is set as textContent, never parsed as HTML.

// Make an element. attributes: "text", handlers such as "onclick", and attributes of HTML.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

// Copy text, and show the result in the button for a moment.
export async function copyText(text, button) {
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // navigator.clipboard is missing on pages that another machine serves over plain HTTP.
    const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    isCopied = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.dataset.label ??= button.textContent;
  button.textContent = isCopied ? "Copied" : "Cannot copy";
  setTimeout(() => {
    button.textContent = button.dataset.label;
  }, 1500);
}

export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// A function that calls run once, ms after its own last call.
export function delayed(ms, run) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
}

// Make the rows of a table choosable: choose(index) on a click and on Enter; arrows move the focus.
export function makeChoosable(made, title, choose) {
  [...made.tBodies[0].rows].forEach((row, index) => {
    row.tabIndex = 0;
    row.title = title;
    row.addEventListener("click", () => choose(index));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choose(index);
      else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
      else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
      else return;
      event.preventDefault();
    });
  });
}

// A table. columns: [title, class]; rows: lists of texts or elements.
export function table(caption, columns, rows) {
  return el(
    "table",
    {},
    el("caption", { class: "offscreen", text: caption }),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ...columns.map(([title, kind]) => el("th", { scope: "col", class: kind, text: title }))
      )
    ),
    el(
      "tbody",
      {},
      ...rows.map((cells) =>
        el("tr", {}, ...cells.map((cell, i) => el("td", { class: columns[i][1] }, cell ?? "")))
      )
    )
  );
}
