/** Building blocks of the page. Everything is made as nodes and text; nothing that the document says is ever taken as HTML. */
export const nodesScript = String.raw`/** An element with attributes and children; null children are left out. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Paragraphs, with code between backticks: all that descriptions use. */
function prose(text) {
  return (text ?? "")
    .split("\n\n")
    .filter(Boolean)
    .map((paragraph) => el("p", {}, inline(paragraph)));
}

function inline(text) {
  return (text ?? "").split("\x60").map((part, index) => (index % 2 === 1 ? el("code", {}, part) : part));
}

/** A fold whose inside is made when it is first opened. */
function unfolding(summary, make, open = false) {
  const fold = el("details", {}, el("summary", {}, summary));
  fold.addEventListener("toggle", () => fold.childElementCount === 1 && fold.append(make()));
  fold.open = open;
  return fold;
}

/** Text to copy, with the button for it. */
function sample(text, label) {
  const button = el("button", { type: "button", class: "copy", "aria-label": "Copy " + label }, "Copy");
  button.addEventListener("click", async () => {
    // Browsers give the clipboard to secure origins alone; elsewhere the text is selected, for the keyboard.
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
  const code = el("code", {}, text);
  return el("div", { class: "sample" }, el("pre", { tabindex: "0", "aria-label": label }, code), button);
}
`;
