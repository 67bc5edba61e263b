// SPDX-License-Identifier: Apache-2.0
// What is shown: filter, zoom, search.  Knows no element of the page.

class Model {
  constructor({facts, names, tree, processes}) {
    Object.assign(this, {facts, names, tree, processes});
    this.frequency = facts.waggle.frequency;
    this.kinds = Uint8Array.from(names, kindOf);
    this.zoom = 0;
    this.match = null;  // per name: 1 where the search finds it
    this.setFilter(null, null);
  }

  // null = all.  The zoom goes back to the root.
  setFilter(container, comm) {
    this.container = container;
    this.comm = comm;
    this.shown = this.processes.filter((process) =>
      (container === null || process.container === container) &&
      (comm === null || process.comm === comm));
    this.roots = this.shown.map((process) => process.node);
    this.all = this.roots.reduce((sum, node) => sum + this.tree.total[node], 0);
    this.zoom = 0;
  }

  total(node) {
    return node === 0 ? this.all : this.tree.total[node];
  }

  self(node) {
    return node === 0 ? 0 : this.tree.self[node];
  }

  isProcess(node) {
    return node !== 0 && this.tree.parent[node] === 0;
  }

  kind(node) {
    return node === 0 || this.isProcess(node) ? KIND_INDEX.process : this.kinds[this.tree.name[node]];
  }

  name(node) {
    return node === 0 ? "all" : this.names[this.tree.name[node]];
  }

  containerOf(node) {
    while (node !== 0 && !this.isProcess(node)) node = this.tree.parent[node];
    const process = this.shown.find((candidate) => candidate.node === node);
    return process ? this.names[process.container] : "";
  }

  label(node) {
    if (node === 0) return "all";
    const text = labelOf(this.name(node), this.kind(node));
    const container = this.isProcess(node) ? this.containerOf(node) : "";
    return container ? `${text} · ${container}` : text;
  }

  // Root first, without the node.
  ancestors(node) {
    const above = [];
    while (node !== 0) {
      node = this.tree.parent[node];
      above.unshift(node);
    }
    return above;
  }

  contains(ancestor, node) {
    return ancestor === 0 || (node >= ancestor && node < this.tree.end[ancestor]);
  }

  firstChild(node) {
    if (node === 0) return this.roots.length > 0 ? this.roots[0] : null;
    return node + 1 < this.tree.end[node] ? node + 1 : null;
  }

  // The sibling `step` (1 or -1) places away.
  sibling(node, step) {
    if (node === 0) return null;
    const {parent, end} = this.tree;
    if (this.isProcess(node)) return this.roots[this.roots.indexOf(node) + step] ?? null;
    if (step > 0) return end[node] < end[parent[node]] ? end[node] : null;
    let before = null;
    for (let child = parent[node] + 1; child < node; child = end[child]) before = child;
    return before;
  }

  // [first, last) of the nodes under `node`.
  ranges(node) {
    const nodes = node === 0 ? this.roots : [node];
    return nodes.map((root) => [root, this.tree.end[root]]);
  }

  // "" = no search.  Returns a message where the expression cannot be read.
  search(text) {
    this.match = null;
    this.query = text;
    if (text === "") return "";
    let test;
    const regex = /^\/(.+)\/$/.exec(text);
    try {
      const expression = regex && new RegExp(regex[1], "i");
      const wanted = text.toLowerCase();
      test = expression ? (name) => expression.test(name) : (name) => name.toLowerCase().includes(wanted);
    } catch {
      return "not a regular expression";
    }
    this.match = Uint8Array.from(this.names, (name) => (test(name) ? 1 : 0));
    return "";
  }

  isMatch(node) {
    return this.match !== null && node !== 0 && this.match[this.tree.name[node]] === 1;
  }

  // Samples under `node` with a matching frame (each once), and how many functions match there.
  matched(node) {
    const {name, end, total} = this.tree;
    const seen = new Uint8Array(this.names.length);
    let samples = 0;
    let functions = 0;
    for (const [first, last] of this.ranges(node)) {
      let covered = first;
      for (let i = first; i < last; ++i) {
        if (this.match[name[i]] === 0) continue;
        if (seen[name[i]] === 0) {
          seen[name[i]] = 1;
          ++functions;
        }
        if (i >= covered) {
          samples += total[i];
          covered = end[i];
        }
      }
    }
    return {samples, functions};
  }

  // The matching node after (step 1) or before (-1) `node` inside the zoom, round and round.
  nextMatch(node, step) {
    const {name} = this.tree;
    const ranges = this.ranges(this.zoom);
    const nodes = ranges.reduce((sum, [first, last]) => sum + last - first, 0);
    let at = ranges.findIndex(([first, last]) => node >= first && node < last);
    let i = at < 0 ? (step > 0 ? ranges[(at = 0)][0] - 1 : ranges[(at = ranges.length - 1)][1]) : node;
    for (let turn = 0; turn < nodes; ++turn) {
      i += step;
      if (i >= ranges[at][1]) i = ranges[(at = (at + 1) % ranges.length)][0];
      if (i < ranges[at][0]) i = ranges[(at = (at + ranges.length - 1) % ranges.length)][1] - 1;
      if (this.match[name[i]] === 1) return i;
    }
    return null;
  }

  // Per name, over the nodes under `node`: samples in it, and samples in stacks that hold it.
  // And per kind: samples in its frames, and whether there is any.
  functionTimes(node) {
    const {name, parent, end, self, total} = this.tree;
    const selfs = new Float64Array(this.names.length);
    const totals = new Float64Array(this.names.length);
    const covered = new Uint32Array(this.names.length);  // end of the outermost call in progress
    const kinds = new Float64Array(KINDS.length);
    const isPresent = new Uint8Array(KINDS.length);
    for (const [first, last] of this.ranges(node)) {
      for (let i = first; i < last; ++i) {
        if (parent[i] === 0) {
          kinds[KIND_INDEX.process] += self[i];
          isPresent[KIND_INDEX.process] = 1;
          continue;
        }
        const id = name[i];
        const kind = this.kinds[id];
        selfs[id] += self[i];
        kinds[kind] += self[i];
        isPresent[kind] = 1;
        if (i >= covered[id]) {
          totals[id] += total[i];
          covered[id] = end[i];
        }
      }
    }
    return {selfs, totals, kinds, isPresent};
  }
}
