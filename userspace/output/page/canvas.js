// SPDX-License-Identifier: Apache-2.0
// Draws the part of the graph that is in sight.  The canvas is as large as the window on the
// graph and stays in place while the content scrolls: a stack of 1,000 frames needs no large one.

const ROW_HEIGHT = 19;
const MIN_WIDTH = 0.75;  // narrower boxes are drawn together, as dust
const LABEL_WIDTH = 22;
const PADDING = 5;

class Graph {
  constructor(model, elements) {
    Object.assign(this, {model, ...elements});
    this.context = this.canvas.getContext("2d");
    this.isFlame = false;
    this.rows = [];
    this.focusNode = null;
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.font = `12px ${read("--mono")}`;
    this.ink = read("--frame-ink");
    this.background = read("--panel");
    this.matchFill = read("--match");
    this.matchInk = read("--match-ink");
    this.fills = KINDS.map(({id}) => {
      const [hue, saturation, lightness] = read(`--kind-${id}`).split(" ").map(parseFloat);
      return Array.from({length: SHADES}, (_, shade) =>
        `hsl(${hue} ${saturation}% ${lightness + (shade - (SHADES - 1) / 2) * 1.6}%)`);
    });
  }

  hasNewSize() {
    const {clientWidth, clientHeight} = this.scroller;
    return clientWidth !== this.width || clientHeight !== this.height || devicePixelRatio !== this.ratio;
  }

  // After a change of size, zoom, filter or direction.
  layout() {
    this.width = this.scroller.clientWidth;
    this.height = this.scroller.clientHeight;
    this.ratio = devicePixelRatio;
    const {ratio} = this;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.font = this.font;
    this.digit = this.context.measureText("0").width;
    this.rows = [];
    const {model} = this;
    const above = model.all > 0 ? model.ancestors(model.zoom) : [];
    above.forEach((node, row) => this.addBox(row, {node, x: 0, width: this.width, dust: 0}));
    if (model.all > 0) this.layoutSubtree(model.zoom, above.length);
    this.contentHeight = Math.max(this.rows.length * ROW_HEIGHT + 1, this.height);
    this.spacer.style.height = `${this.contentHeight}px`;
  }

  addBox(row, box) {
    (this.rows[row] ??= []).push(box);
  }

  layoutSubtree(top, topRow) {
    const {model} = this;
    const {end, total} = model.tree;
    const scale = this.width / model.total(top);
    const open = [{node: top, x: 0, width: this.width, row: topRow}];
    while (open.length > 0) {
      const {node, x, width, row} = open.pop();
      this.addBox(row, {node, x, width, dust: 0});
      let left = x;
      let dust = null;
      const children = [];
      const place = (child) => {
        const childWidth = total[child] * scale;
        if (childWidth >= MIN_WIDTH) {
          children.push({node: child, x: left, width: childWidth, row: row + 1});
        } else {
          dust ??= {node: child, x: left, width: 0, dust: 0, samples: 0};
          dust.width += childWidth;
          dust.samples += total[child];
          ++dust.dust;
        }
        left += childWidth;
      };
      if (node === 0) model.roots.forEach(place);
      else for (let child = node + 1; child < end[node]; child = end[child]) place(child);
      // Heaviest last on the stack: rows come out from left to right.
      while (children.length > 0) open.push(children.pop());
      if (dust && dust.width >= MIN_WIDTH / 2) this.addBox(row + 1, dust);
    }
    for (const boxes of this.rows) boxes.sort((a, b) => a.x - b.x);
  }

  top(row) {
    const y = this.isFlame ? this.contentHeight - (row + 1) * ROW_HEIGHT : row * ROW_HEIGHT;
    return y - this.scroller.scrollTop;
  }

  rowAt(y) {
    const down = y + this.scroller.scrollTop;
    return Math.floor((this.isFlame ? this.contentHeight - down : down) / ROW_HEIGHT);
  }

  paint() {
    const {context} = this;
    context.fillStyle = this.background;
    context.fillRect(0, 0, this.width, this.height);
    context.textBaseline = "middle";
    const edges = [this.rowAt(0), this.rowAt(this.height)];
    const last = Math.min(Math.max(...edges), this.rows.length - 1);
    for (let row = Math.max(0, Math.min(...edges)); row <= last; ++row) {
      for (const box of this.rows[row]) this.paintBox(box, this.top(row));
    }
    this.placeFocus();
  }

  paintBox(box, y) {
    const {context, model} = this;
    const isAbove = box.node !== model.zoom && model.contains(box.node, model.zoom);
    const isMatch = box.dust === 0 && model.isMatch(box.node);
    const kind = model.kind(box.node);
    const isFaded = isAbove || box.dust > 0 || (model.match !== null && !isMatch);
    context.globalAlpha = isFaded ? 0.45 : 1;
    context.fillStyle = isMatch ? this.matchFill
      : this.fills[kind][box.dust > 0 ? 2 : shadeOf(model.name(box.node))];
    const gap = box.width > 3 ? 1 : 0;
    context.fillRect(box.x, y, box.width - gap, ROW_HEIGHT - 1);
    if (box.width < LABEL_WIDTH || box.dust > 0) return;
    context.globalAlpha = isFaded && isAbove ? 0.8 : 1;
    context.fillStyle = isMatch ? this.matchInk : this.ink;
    const text = this.fit(model.label(box.node), box.width - 2 * PADDING);
    context.fillText(text, box.x + PADDING, y + ROW_HEIGHT / 2);
    context.globalAlpha = 1;
  }

  // Cut to a width.  The font is monospaced; only what is not ASCII has to be measured.
  fit(text, width) {
    const room = Math.floor(width / this.digit);
    const cut = text.length <= room ? text : room < 2 ? "" : `${text.slice(0, room - 1)}…`;
    if (/^[\x20-\x7e…]*$/.test(cut)) return cut;
    let points = Array.from(cut);
    while (points.length > 0 && this.context.measureText(points.join("")).width > width) {
      points = points.slice(0, -1);
    }
    return points.join("");
  }

  boxAt(x, y) {
    const row = this.rowAt(y);
    const boxes = this.rows[row];
    const box = boxes && boxes.findLast((candidate) => candidate.x <= x);
    return box && x < box.x + box.width ? {...box, row} : null;
  }

  findBox(node) {
    for (let row = 0; row < this.rows.length; ++row) {
      const box = this.rows[row].find((candidate) => candidate.node === node && candidate.dust === 0);
      if (box) return {...box, row};
    }
    return null;
  }

  placeOutline(element, box) {
    const y = box ? this.top(box.row) : -1;
    element.hidden = !box || y < -ROW_HEIGHT || y > this.height;
    if (element.hidden) return;
    element.style.left = `${box.x}px`;
    element.style.top = `${y}px`;
    element.style.width = `${Math.max(2, box.width - 1)}px`;
    element.style.height = `${ROW_HEIGHT - 1}px`;
  }

  placeFocus() {
    this.placeOutline(this.focus, this.focusNode === null ? null : this.findBox(this.focusNode));
  }

  // Scrolls the least that shows the row of `node`.
  reveal(node) {
    const box = this.findBox(node);
    if (!box) return;
    const y = this.top(box.row);
    if (y < 0) this.scroller.scrollTop += y - ROW_HEIGHT;
    if (y + ROW_HEIGHT > this.height) this.scroller.scrollTop += y + 2 * ROW_HEIGHT - this.height;
  }

  scrollToRoot() {
    this.scroller.scrollTop = this.isFlame ? this.contentHeight : 0;
  }
}
