// Making elements. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

let named = 0;

/** An identifier that no other element of the document has, however often the viewer is shown. */
export function uniqueId(stem) {
  named += 1;
  return `scr-lens-${stem}-${named}`;
}

/** A row of radio buttons that looks like one control. */
export function segmented(label, options, onChoose) {
  const name = uniqueId("segment");
  const inputs = new Map();
  const parts = options.map(([value, text, hint]) => {
    const id = uniqueId("option");
    const input = el("input", { type: "radio", name, id, value, onchange: () => onChoose(value) });
    inputs.set(value, input);
    return [input, el("label", { for: id, title: hint }, text)];
  });
  const element = el("div", { class: "sl-segmented", role: "radiogroup", "aria-label": label }, ...parts.flat());
  const update = (value, isAvailable = () => true) => {
    for (const [key, input] of inputs) {
      input.checked = key === value;
      input.disabled = !isAvailable(key);
    }
  };
  return { element, update };
}

export function select(label, options, onChoose) {
  const id = uniqueId("select");
  const box = el("select", { id, onchange: () => onChoose(box.value) });
  const fill = (entries) => box.replaceChildren(...entries.map(([value, text]) => el("option", { value }, text)));
  fill(options);
  const element = el("div", { class: "sl-field" }, el("label", { for: id }, label), box);
  return { element, box, fill, update: (value) => void (box.value = value) };
}

export function slider(label, attributes, onSlide) {
  const id = uniqueId("slider");
  const shown = el("output", { for: id, class: "sl-output" });
  const input = el("input", { type: "range", id, ...attributes, oninput: () => onSlide(Number(input.value)) });
  const head = el("span", { class: "sl-slider-head" }, el("label", { for: id }, label), shown);
  return { element: el("div", { class: "sl-field sl-slider" }, head, input), input, shown };
}

export function checkbox(label, onToggle, hint) {
  const input = el("input", { type: "checkbox", onchange: () => onToggle(input.checked) });
  return { element: el("label", { class: "sl-check", title: hint }, input, label), input };
}

export function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", class: "sl-button", onclick, ...attributes }, text);
}

/** Sets a canvas's pixels to its size on the screen; returns its context in units of CSS pixels. */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
