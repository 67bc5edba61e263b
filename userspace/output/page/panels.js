// SPDX-License-Identifier: Apache-2.0
// The parts around the graph: facts, filters, breadcrumb, table, legend, tooltip.  Texts enter
// the page as text nodes only.

const TABLE_ROWS = 200;
const SORTS = {
  self: (times) => (a, b) => times.selfs[b] - times.selfs[a] || times.totals[b] - times.totals[a] || a - b,
  total: (times) => (a, b) => times.totals[b] - times.totals[a] || times.selfs[b] - times.selfs[a] || a - b,
  name: () => (a, b) => a - b,  // names are sorted
};

function byId(id) {
  return document.getElementById(id);
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function count(number) {
  return number.toLocaleString("en-US");
}

function percent(part, whole) {
  if (whole === 0) return "0 %";
  const value = (100 * part) / whole;
  return `${value >= 99.95 ? value.toFixed(0) : value.toFixed(value < 0.1 && value > 0 ? 3 : 1)} %`;
}

function seconds(number) {
  return `${number >= 100 ? count(Math.round(number)) : number.toFixed(number < 1 ? 3 : 2)} s`;
}

function definition(list, term, text, className) {
  const row = element("div", undefined, className);
  row.append(element("dt", term), element("dd", text));
  list.append(row);
}

function showFacts(model) {
  const {title, waggle} = model.facts;
  const total = model.total(0);
  const lost = Object.values(waggle.lost).reduce((sum, value) => sum + value, 0);
  byId("title").textContent = title;
  document.title = `${title} · waggle`;
  const facts = byId("facts");
  definition(facts, "samples", count(waggle.samples));
  if (waggle.frequency > 0) definition(facts, "CPU time", seconds(total / waggle.frequency));
  definition(facts, "duration", seconds(waggle.duration_s));
  if (waggle.frequency > 0) definition(facts, "frequency", `${waggle.frequency} Hz`);
  definition(facts, "event", waggle.event);
  definition(facts, "lost", count(lost), lost > 0 ? "warning" : "");
  definition(facts, "truncated", count(waggle.truncated), waggle.truncated > 0 ? "warning" : "");
  if (waggle.throttled > 0) definition(facts, "throttled", `≈ ${count(waggle.throttled)}`, "warning");
  const time = (unix) => `${new Date(unix * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const list = byId("recording");
  definition(list, "start", time(waggle.start_time));
  definition(list, "end", time(waggle.end_time));
  if (waggle.paused_s > 0) definition(list, "paused", seconds(waggle.paused_s));
  definition(list, "engine", [waggle.engine, waggle.engine_reason].filter(Boolean).join(": "));
  definition(list, "kernel", waggle.kernel);
  definition(list, "waggle", waggle.version);
  for (const [counter, value] of Object.entries(waggle.lost)) {
    if (value > 0) definition(list, `lost: ${counter}`, count(value), "warning");
  }
  for (const text of waggle.excluded) definition(list, "excluded", text, "warning");
  for (const [tool, state] of Object.entries(waggle.tools)) definition(list, tool, state);
  if (waggle.command_status !== null) definition(list, "command status", `${waggle.command_status}`);
}

// Options: "all", then each key with its share, heaviest first.
function fillSelect(select, all, model, key, processes) {
  const totals = new Map();
  for (const process of processes) {
    totals.set(process[key], (totals.get(process[key]) ?? 0) + model.tree.total[process.node]);
  }
  const whole = processes.reduce((sum, process) => sum + model.tree.total[process.node], 0);
  const sorted = Array.from(totals).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  select.replaceChildren(new Option(`all (${sorted.length})`, ""));
  for (const [id, total] of sorted) {
    select.add(new Option(`${model.names[id] || all} (${percent(total, whole)})`, String(id)));
  }
}

function fillFilters(model) {
  const containers = new Set(model.processes.map((process) => process.container));
  const hasContainers = containers.size > 1 || model.processes.some((process) => model.names[process.container]);
  byId("container-label").hidden = !hasContainers;
  fillSelect(byId("container"), "no container", model, "container", model.processes);
  fillProcesses(model);
}

function fillProcesses(model) {
  const inside = model.processes.filter((process) =>
    model.container === null || process.container === model.container);
  fillSelect(byId("process"), "no name", model, "comm", inside);
}

function showCrumbs(model, onZoom) {
  const crumbs = byId("crumbs");
  const nodes = [...model.ancestors(model.zoom), model.zoom];
  crumbs.replaceChildren();
  nodes.forEach((node, index) => {
    const isLast = index === nodes.length - 1;
    // A stack of a thousand frames: its ends are enough.
    if (nodes.length > 14 && index === 4) crumbs.append(element("span", "…", "cut"));
    if (nodes.length > 14 && index >= 4 && index < nodes.length - 8) return;
    const crumb = element(isLast ? "strong" : "button", model.label(node));
    crumb.title = model.name(node);
    if (!isLast) {
      crumb.type = "button";
      crumb.addEventListener("click", () => onZoom(node));
    }
    crumbs.append(crumb);
  });
  if (model.zoom !== 0) {
    crumbs.append(element("span", `${percent(model.total(model.zoom), model.all)} of all`, "share"));
  }
}

function bar(part, whole) {
  const cell = element("td", percent(part, whole), "number");
  cell.style.setProperty("--share", `${whole === 0 ? 0 : (100 * part) / whole}%`);
  return cell;
}

function showTable(model, times, sort, onPick) {
  const whole = model.total(model.zoom);
  const ids = [];
  for (let id = 0; id < times.totals.length; ++id) if (times.totals[id] > 0) ids.push(id);
  ids.sort(SORTS[sort](times));
  const rows = ids.slice(0, TABLE_ROWS).map((id) => {
    const row = element("tr");
    const cell = element("td");
    const kind = model.kinds[id];
    const pick = element("button", labelOf(model.names[id], kind));
    pick.type = "button";
    pick.title = model.names[id];
    pick.addEventListener("click", () => onPick(model.names[id]));
    cell.append(element("i", undefined, `swatch ${KINDS[kind].id}`), pick);
    row.append(bar(times.selfs[id], whole), bar(times.totals[id], whole), cell);
    row.classList.toggle("match", model.match !== null && model.match[id] === 1);
    return row;
  });
  byId("rows").replaceChildren(...rows);
  byId("rows-note").textContent = ids.length > TABLE_ROWS
    ? `the first ${TABLE_ROWS} of ${count(ids.length)} functions` : "";
  for (const key of Object.keys(SORTS)) {
    byId(`sort-${key}`).parentElement.setAttribute("aria-sort",
      key !== sort ? "none" : key === "name" ? "ascending" : "descending");
  }
}

function showLegend(model, times) {
  const whole = model.total(model.zoom);
  const items = KINDS.map((kind, index) => ({...kind, samples: times.kinds[index]}))
    .filter((kind, index) => times.isPresent[index])
    .sort((a, b) => b.samples - a.samples)
    .map((kind) => {
      const item = element("li");
      item.append(element("i", undefined, `swatch ${kind.id}`),
        kind.samples > 0 ? `${kind.label} ${percent(kind.samples, whole)}` : kind.label);
      return item;
    });
  byId("legend").replaceChildren(...items);
}

// Pairs of term and value for a node.
function nodeFacts(model, node) {
  const total = model.total(node);
  const facts = [["samples", `${count(total)} (${percent(total, model.all)} of all)`]];
  if (model.zoom !== 0 && model.contains(model.zoom, node)) {
    facts.push(["of this view", percent(total, model.total(model.zoom))]);
  }
  facts.push(["self", `${count(model.self(node))} (${percent(model.self(node), model.all)})`]);
  if (model.frequency > 0) facts.push(["CPU time", seconds(total / model.frequency)]);
  const container = model.containerOf(node);
  if (container) facts.push(["container", container]);
  facts.push(["kind", node === 0 ? "everything shown" : KINDS[model.kind(node)].label]);
  return facts;
}

function showTooltip(model, box, x, y) {
  const tooltip = byId("tooltip");
  tooltip.hidden = !box;
  if (!box) return;
  const list = element("dl");
  if (box.dust > 0) {
    const frames = box.dust === 1 ? "1 frame" : `${count(box.dust)} frames`;
    tooltip.replaceChildren(element("strong", `${frames} too narrow to draw`), list);
    definition(list, "samples", `${count(box.samples)} (${percent(box.samples, model.all)} of all)`);
    definition(list, "click", "zooms into their caller");
  } else {
    tooltip.replaceChildren(element("strong", model.name(box.node)), list);
    for (const [term, text] of nodeFacts(model, box.node)) definition(list, term, text);
  }
  const {offsetWidth: width, offsetHeight: height} = tooltip;
  tooltip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tooltip.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 10) : y + 18}px`;
}

function showStatus(model, node) {
  byId("status").textContent = node === null ? ""
    : [model.name(node), ...nodeFacts(model, node).map(([term, text]) => `${term} ${text}`)].join(" · ");
}
