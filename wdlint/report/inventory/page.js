"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = [...byId("rows").rows];
  const svg = byId("icicle"), tip = byId("tip"), legend = byId("legend"), crumbs = byId("crumbs");
  const tree = JSON.parse(byId("tree").textContent);
  const NARROWEST = 92, LINE = 13;  // pixels: a column, a line of text
  const order = {
    kind: [...byId("kind").options].slice(1).map((option) => option.value),
    fate: [...byId("fate").options].slice(1).map((option) => option.value),
  };
  // So that no two are told apart by colour alone.
  const texture = {
    spared: "M-2,2l4,-4M0,8l8,-8M6,10l4,-4", frozen: "M2,2h1v1h-1zM6,6h1v1h-1z", omitted: "M4,0v8", undecided: "M0,0l8,8M0,8l8,-8",
    bias: "M2,2h1.5v1.5h-1.5zM6,6h1.5v1.5h-1.5z", norm: "M-2,2l4,-4M0,8l8,-8M6,10l4,-4", position: "M0,4h8",
    relative_position: "M4,0v8", scale: "M0,2h8M0,6h8", ssm: "M2,0v8M6,0v8", activation: "M-2,6l4,4M0,0l8,8M6,-2l4,4",
    lora: "M0,4h8M4,0v8", router_state: "M2,2h4v4h-4z", unknown: "M0,0l8,8M0,8l8,-8",
  };
  const state = { size: "elements", colour: "fate", focus: tree, matches: new Set(rows.keys()) };
  const number = (n) => n.toLocaleString("en-US");

  function node(name, attributes, parent) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (parent) parent.append(made);
    return made;
  }

  (function measure(place, parent) {
    place.parent = parent;
    if (place.r !== undefined) {
      const data = rows[place.r].dataset;
      place.elements = Number(data.e);
      place.tensors = Number(data.t);
      place.height = 1;
      place.rows = [place.r];
      return;
    }
    place.c.forEach((child) => measure(child, place));
    const sum = (key) => place.c.reduce((total, child) => total + child[key], 0);
    place.elements = sum("elements");
    place.tensors = sum("tensors");
    place.height = 1 + Math.max(...place.c.map((child) => child.height));
    place.rows = place.c.flatMap((child) => child.rows);
  })(tree, null);
  if (!tree.elements) state.size = "tensors";

  const called = (place) => place === tree ? document.querySelector("h1").textContent : place.n + (place.x > 1 ? " ×" + number(place.x) : "");
  const measuring = document.createElement("canvas").getContext("2d");
  measuring.font = "11.5px " + getComputedStyle(document.querySelector("code")).fontFamily;
  const letter = measuring.measureText("0").width;
  const cut = (text, room) => {
    const fits = Math.floor(room / letter);
    return text.length <= fits ? text : fits < 3 ? "" : text.slice(0, fits - 1) + "…";
  };

  function patterns() {
    const defs = node("defs", {}, svg);
    for (const name of [...order.kind, ...order.fate]) {
      const made = node("pattern", { id: "f-" + name, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, defs);
      node("rect", { width: 8, height: 8, style: `fill: var(--${name})` }, made);
      if (texture[name]) node("path", { d: texture[name], style: "fill: none; stroke: #0000003d; stroke-width: 1.2" }, made);
    }
  }

  function draw() {
    svg.replaceChildren();
    patterns();
    const width = svg.clientWidth, height = Math.round(Math.min(Math.max(window.innerHeight * 0.62, 420), 820));
    const levels = Math.max(1, Math.min(state.focus.height, Math.floor(width / NARROWEST)));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.height = height + "px";
    // The place in focus is known from the line above: a narrow column suffices, on a phone the more so.
    const first = levels > 1 ? Math.min(width / levels, width < 600 ? 26 : 130) : width;
    const column = levels > 1 ? (width - first) / (levels - 1) : 0;
    const box = (place, level, top, tall) => {
      if (tall < 0.7) return;
      const leaf = place.r !== undefined;
      const left = level === 0 ? 0 : first + (level - 1) * column;
      const last = leaf || level === levels - 1;
      const wide = last ? width - left : level === 0 ? first : column;
      paint(place, { leaf, last, left, top, wide, tall, back: level === 0 });
      if (last) return;
      let at = top;
      for (const child of place.c) {
        const share = tall * child[state.size] / (place[state.size] || 1);
        box(child, level + 1, at, share);
        at += share;
      }
    };
    box(state.focus, 0, 0, height);
    shade();
  }

  function paint(place, { leaf, last, left, top, wide, tall, back }) {
    const group = node("g", { class: `box ${leaf ? "leaf" : "module"}${back ? " back" : ""}`, tabindex: 0 }, svg);
    group.setAttribute("role", leaf ? "img" : "button");
    group.setAttribute("aria-label", described(place).map(([text]) => text).join(", "));
    group.place = place;
    const rect = node("rect", { class: "shape", x: left, y: top, width: wide, height: tall }, group);
    rect.setAttribute("stroke-width", Math.min(1, tall / 6));
    if (leaf) rect.setAttribute("fill", `url(#f-${rows[place.r].dataset[state.colour]})`);
    if (last && !leaf) mixture(group, place, left + wide * 0.6, top, wide * 0.4, tall);
    if (tall < LINE) return;
    const room = (last && !leaf ? wide * 0.6 : wide) - 10, hidden = last && !leaf ? " …" : "";
    const name = leaf ? place.n + (place.tensors > 1 ? " ×" + number(place.tensors) : "") : called(place) + hidden;
    if (wide < 40 && tall > 60) {
      const text = node("text", { transform: `translate(${left + wide / 2 + 4}, ${top + tall / 2}) rotate(-90)`, "text-anchor": "middle" }, group);
      text.textContent = cut(name, tall - 10);
      return;
    }
    const second = leaf ? rows[place.r].cells[1].textContent : place.k === name ? "" : place.k;
    const beside = leaf && letter * (name.length + second.length + 2) < room;
    const line = (text, y, kind) => { node("text", { x: left + 5, y, class: kind }, group).textContent = cut(text, room); };
    const middle = leaf ? top + tall / 2 + 4 : top + Math.min(tall / 2 + 4, 16);
    if (beside) line(name + "  " + second, middle, "");
    else if (tall > 2 * LINE + 4 && second) {
      line(name, middle - (leaf ? LINE / 2 : 0), "");
      line(second, middle + (leaf ? LINE / 2 : LINE), "class");
    } else line(name, middle, "");
  }

  // What a module holds whose parts have no room: shares of its colours.
  function mixture(group, place, left, top, wide, tall) {
    let at = top;
    for (const name of order[state.colour]) {
      const part = place.rows.map((index) => rows[index].dataset).filter((data) => data[state.colour] === name)
        .reduce((sum, data) => sum + Number(state.size === "elements" ? data.e : data.t), 0);
      const share = tall * part / (place[state.size] || 1);
      if (share > 0) node("rect", { class: "part", x: left, y: at, width: wide, height: share, fill: `url(#f-${name})` }, group);
      at += share;
    }
  }

  function described(place) {
    if (place.r === undefined) {
      const counts = { decayed: 0 };
      for (const index of place.rows) counts.decayed += rows[index].dataset.fate === "decayed" ? Number(rows[index].dataset.t) : 0;
      return [
        [place.p || called(place), "b"], [(place.k || "module") + (place.x > 1 ? `, ${number(place.x)} of them` : "")],
        [`${number(place.tensors)} tensors, ${number(counts.decayed)} of them decayed`], [`${number(place.elements)} elements`],
      ];
    }
    const cells = [...rows[place.r].cells].map((cell) => cell.textContent), remarks = cells.at(-1);
    const [name, shape, kind, fate, elements, owner] = cells;
    return [[name, "b"], [`${shape} ${kind}, in ${owner || "?"}`], [`${elements} elements`], [fate], ...(remarks ? [[remarks]] : [])];
  }

  function show(place, x, y) {
    tip.replaceChildren(...described(place).map(([text, tag]) => {
      const line = document.createElement("div"), inner = document.createElement(tag || "span");
      inner.textContent = text;
      line.append(inner);
      return line;
    }));
    tip.hidden = false;
    const size = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, window.innerWidth - size.width - 8)) + "px";
    tip.style.top = Math.max(4, y + 18 + size.height > window.innerHeight ? y - size.height - 12 : y + 18) + "px";
  }

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = byId("kind").value, fate = byId("fate").value, inside = new Set(state.focus.rows);
    state.matches = new Set();
    let tensors = 0;
    rows.forEach((row, index) => {
      const { dataset } = row, text = row.textContent.toLowerCase();
      const matches = (!kind || dataset.kind === kind) && (!fate || dataset.fate === fate) && words.every((word) => text.includes(word));
      if (matches) state.matches.add(index);
      row.hidden = !(matches && inside.has(index));
      if (!row.hidden) tensors += Number(dataset.t);
    });
    byId("found").textContent = `${number(tensors)} of ${number(tree.tensors)} parameters` + (state.focus === tree ? "" : `, in ${state.focus.p}`);
    shade();
    key();
  }

  function shade() {
    for (const group of svg.querySelectorAll(".box")) {
      group.classList.toggle("dim", !group.place.rows.some((index) => state.matches.has(index)));
    }
  }

  function key() {
    legend.replaceChildren(...order[state.colour].map((name) => {
      const button = document.createElement("button"), count = document.createElement("small");
      const swatch = node("svg", { "aria-hidden": "true" }, button);
      node("rect", { width: "100%", height: "100%", fill: `url(#f-${name})` }, swatch);
      count.textContent = number(rows.reduce((sum, row) => sum + (row.dataset[state.colour] === name ? Number(row.dataset.t) : 0), 0));
      button.append(name, count);
      button.type = "button";
      const select = byId(state.colour);
      button.setAttribute("aria-pressed", select.value === name);
      button.onclick = () => { select.value = select.value === name ? "" : name; filter(); };
      return button;
    }));
  }

  function go(place) {
    state.focus = place;
    tip.hidden = true;
    const way = [];
    for (let one = place; one; one = one.parent) way.unshift(one);
    crumbs.replaceChildren(...way.flatMap((one, index) => {
      const button = document.createElement("button"), between = document.createElement("i");
      button.type = "button";
      button.textContent = called(one);
      button.onclick = () => go(one);
      between.textContent = "›";
      return index ? [between, button] : [button];
    }));
    draw();
    filter();
  }

  function choose(group) {
    const { place } = group;
    if (place.r === undefined) {
      go(place === state.focus ? place.parent || place : place);
      svg.querySelector(".box").focus({ preventScroll: true });
      return;
    }
    rows.forEach((row) => row.classList.remove("chosen"));
    rows[place.r].hidden = false;
    rows[place.r].classList.add("chosen");
    rows[place.r].scrollIntoView({ block: "center", behavior: "smooth" });
  }

  const boxOf = (event) => event.target.closest && event.target.closest(".box");
  svg.addEventListener("pointermove", (event) => { const group = boxOf(event); if (group) show(group.place, event.clientX, event.clientY); });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  svg.addEventListener("click", (event) => { const group = boxOf(event); if (group) choose(group); });
  svg.addEventListener("focusin", (event) => {
    const group = boxOf(event);
    if (!group || !group.matches(":focus-visible")) return;
    const place = group.getBoundingClientRect();
    show(group.place, place.left + 20, place.top);
  });
  svg.addEventListener("focusout", () => { tip.hidden = true; });
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(boxOf(event)); }
    if (event.key === "Escape" && state.focus.parent) go(state.focus.parent);
  });
  for (const radio of document.querySelectorAll("fieldset input")) {
    radio.checked = state[radio.name] === radio.value;
    radio.onchange = () => { state[radio.name] = radio.value; draw(); key(); };
  }
  for (const id of ["search", "kind", "fate"]) byId(id).addEventListener("input", filter);
  let width = 0;
  new ResizeObserver(() => { if (svg.clientWidth !== width) { width = svg.clientWidth; draw(); } }).observe(svg);
  byId("picture").hidden = byId("filters").hidden = false;
  go(tree);
})();
