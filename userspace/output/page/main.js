// SPDX-License-Identifier: Apache-2.0
// Starts the page and joins its parts: whoever changes the model says here what to draw again.

class Page {
  constructor(model) {
    this.model = model;
    this.sort = "self";
    this.graph = new Graph(model, {
      canvas: byId("canvas"), scroller: byId("scroller"), spacer: byId("spacer"), focus: byId("focus"),
    });
    showFacts(model);
    fillFilters(model);
    this.listen();
    history.replaceState({zoom: 0}, "");
    this.redraw();
  }

  // Everything: after a change of filter, zoom or direction.  The table counts all nodes, so it
  // waits until the graph is on the screen.
  redraw() {
    const {model, graph} = this;
    byId("message").textContent = "No samples here.";
    byId("message").hidden = model.all > 0;
    showCrumbs(model, (node) => this.zoomTo(node));
    graph.layout();
    graph.scrollToRoot();
    graph.paint();
    this.pendingTable = true;
    requestAnimationFrame(() => setTimeout(() => this.updateTable()));
  }

  updateTable() {
    if (!this.pendingTable) return;
    performance.mark("graph painted");  // tests/bench reads it
    this.pendingTable = false;
    this.times = this.model.functionTimes(this.model.zoom);
    this.showTable();
    showLegend(this.model, this.times);
    this.showMatched();
  }

  showTable() {
    if (this.times) showTable(this.model, this.times, this.sort, (name) => this.pick(name));
  }

  // Zooms are entries of the browser's history, so that its back button undoes one.
  zoomTo(node) {
    if (node === this.model.zoom) return;
    this.model.zoom = node;
    history.pushState({zoom: node}, "");
    this.redraw();
    this.setFocus(node);
  }

  zoomBack() {
    if (this.model.zoom !== 0) history.back();
  }

  restore(state) {
    const node = state && Number.isInteger(state.zoom) ? state.zoom : 0;
    const isShown = node === 0 || this.model.roots.some((root) => this.model.contains(root, node));
    this.model.zoom = isShown ? node : 0;
    this.redraw();
  }

  setFocus(node) {
    this.graph.focusNode = node;
    if (node !== null) this.graph.reveal(node);
    this.graph.paint();
    showStatus(this.model, node);
  }

  filter(container, comm) {
    this.model.setFilter(container, comm);
    history.pushState({zoom: 0}, "");
    this.graph.focusNode = null;
    this.redraw();
  }

  search(text) {
    const message = this.model.search(text);
    byId("search").setAttribute("aria-invalid", String(message !== ""));
    this.searchMessage = message;
    this.graph.paint();
    this.showTable();
    this.showMatched();
  }

  showMatched() {
    const {model} = this;
    let text = this.searchMessage ?? "";
    if (model.match !== null) {
      const {samples, functions} = model.matched(model.zoom);
      const where = model.zoom === 0 ? "" : " of this view";
      text = functions === 0 ? "no match"
        : `${percent(samples, model.total(model.zoom))}${where} in ${count(functions)} matching ` +
          (functions === 1 ? "name" : "names");
    }
    byId("matched").textContent = text;
  }

  pick(name) {
    byId("search").value = byId("search").value === name ? "" : name;
    this.search(byId("search").value);
  }

  setFlame(isFlame) {
    this.graph.isFlame = isFlame;
    byId("flame").setAttribute("aria-pressed", String(isFlame));
    byId("icicle").setAttribute("aria-pressed", String(!isFlame));
    this.redraw();
  }

  toggleTable() {
    const isShown = byId("main").classList.toggle("no-table") === false;
    byId("toggle-table").setAttribute("aria-pressed", String(isShown));
  }

  step(move) {
    const {model} = this;
    const from = this.graph.focusNode ?? model.zoom;
    const isUnderZoom = model.contains(model.zoom, from) && from !== model.zoom;
    const next = {
      caller: () => (from === 0 ? null : model.tree.parent[from]),
      callee: () => model.contains(from, model.zoom) && from !== model.zoom
        ? model.ancestors(model.zoom).concat(model.zoom).find((node) => node !== from && model.tree.parent[node] === from)
        : model.firstChild(from),
      left: () => (isUnderZoom ? model.sibling(from, -1) : null),
      right: () => (isUnderZoom ? model.sibling(from, 1) : null),
    }[move]();
    this.setFocus(next ?? from);
  }

  stepMatch(step) {
    if (this.model.match === null || this.model.all === 0) return;
    const node = this.model.nextMatch(this.graph.focusNode ?? this.model.zoom, step);
    if (node !== null) this.setFocus(node);
  }

  async copyName() {
    const node = this.graph.focusNode ?? this.hovered?.node;
    if (node === undefined || node === null) return;
    const name = this.model.name(node);
    const isCopied = await navigator.clipboard?.writeText(name).then(() => true, () => false);
    byId("status").textContent = isCopied ? `copied: ${name}` : `the browser refused to copy: ${name}`;
  }

  hover(event) {
    const box = event ? this.graph.boxAt(event.offsetX, event.offsetY) : null;
    this.hovered = box && box.dust === 0 ? box : null;
    this.graph.placeOutline(byId("hover"), box);
    showTooltip(this.model, box, event?.clientX, event?.clientY);
  }

  click(event) {
    const box = this.graph.boxAt(event.offsetX, event.offsetY);
    if (!box) return;
    this.zoomTo(box.dust > 0 ? this.model.tree.parent[box.node] : box.node);
    this.hover(null);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const isTyping = event.target.matches("input, select");
    if (isTyping) {
      if (event.key === "Escape") this.leaveField(event.target);
      return;
    }
    const {isFlame} = this.graph;
    const isOnGraph = !event.target.matches("button");
    const actions = {
      "/": () => byId("search").select(),
      "?": () => byId("help").showModal(),
      Escape: () => this.zoomBack(),
      Backspace: () => this.zoomBack(),
      Home: () => this.zoomTo(0),
      i: () => this.setFlame(!isFlame),
      t: () => this.toggleTable(),
      c: () => this.copyName(),
      n: () => this.stepMatch(1),
      N: () => this.stepMatch(-1),
      ArrowUp: () => this.step(isFlame ? "callee" : "caller"),
      ArrowDown: () => this.step(isFlame ? "caller" : "callee"),
      ArrowLeft: () => this.step("left"),
      ArrowRight: () => this.step("right"),
      ...(isOnGraph && {Enter: () => this.zoomTo(this.graph.focusNode ?? this.model.zoom)}),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  }

  leaveField(field) {
    if (field.value !== "" && field.id === "search") {
      field.value = "";
      this.search("");
    } else {
      byId("canvas").focus();
    }
  }

  listen() {
    const on = (id, type, action) => byId(id).addEventListener(type, action);
    const chosen = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
    on("search", "input", () => this.search(byId("search").value));
    on("container", "change", () => {
      this.filter(chosen("container"), null);
      fillProcesses(this.model);
    });
    on("process", "change", () => this.filter(chosen("container"), chosen("process")));
    on("icicle", "click", () => this.setFlame(false));
    on("flame", "click", () => this.setFlame(true));
    on("toggle-table", "click", () => this.toggleTable());
    on("help-button", "click", () => byId("help").showModal());
    on("more", "click", () => {
      byId("recording").hidden = !byId("recording").hidden;
      byId("more").setAttribute("aria-expanded", String(!byId("recording").hidden));
    });
    for (const key of Object.keys(SORTS)) {
      on(`sort-${key}`, "click", () => {
        this.sort = key;
        this.showTable();
      });
    }
    on("canvas", "mousemove", (event) => this.hover(event));
    on("canvas", "mouseleave", () => this.hover(null));
    on("canvas", "click", (event) => this.click(event));
    on("scroller", "scroll", () => {
      this.hover(null);
      this.graph.paint();
    });
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("popstate", (event) => this.restore(event.state));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.graph.readColours();
      this.graph.layout();
      this.graph.paint();
    });
    // The spacer's width tells when a scroll bar comes or goes.  Zooming the page changes the
    // pixel ratio, and with it these sizes.
    const observer = new ResizeObserver(() => {
      if (!this.graph.hasNewSize()) return;
      this.graph.layout();
      this.graph.paint();
    });
    observer.observe(byId("scroller"));
    observer.observe(byId("spacer"));
  }
}

async function start() {
  const data = byId("data");
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old (it lacks DecompressionStream)");
  }
  const profile = await decodeProfile(data.textContent);
  data.remove();
  return new Page(new Model(profile));
}

let page = null;
start().then((started) => { page = started; }, (error) => {
  byId("message").textContent = `The profile cannot be shown: ${error.message}`;
});
