// SPDX-License-Identifier: Apache-2.0
// Which kind of frame a name tells of: by the suffixes of the .col format.  The colours are in
// style.css, as --kind-ID: hue, saturation, lightness.

const KINDS = [
  {id: "native", label: "native"},
  {id: "kernel", label: "kernel", suffix: /_\[k\]$/},
  {id: "python", label: "Python", suffix: /_\[p[ne]?\]$/},
  {id: "java", label: "Java", suffix: /_\[[ji01]\]$/},
  {id: "managed", label: "Ruby, PHP, .NET, JS", suffix: /_\[(?:rb|php|net|js)\]$/},
  {id: "unresolved", label: "no name"},
  {id: "marker", label: "marker"},
  {id: "process", label: "process"},
];
const KIND_INDEX = Object.fromEntries(KINDS.map((kind, index) => [kind.id, index]));
const SHADES = 5;

function kindOf(name) {
  if (name.startsWith("[") && /^\[[^\]]*\]$/.test(name)) return KIND_INDEX.marker;
  if (/^\(.*\+0x[0-9a-f]+\)$/.test(name)) return KIND_INDEX.unresolved;
  if (name.startsWith("thread: ")) return KIND_INDEX.process;
  if (name.endsWith("]")) {
    const index = KINDS.findIndex((kind) => kind.suffix && kind.suffix.test(name));
    if (index >= 0) return index;
  }
  return KIND_INDEX.native;
}

// The name without its suffix: its colour says the kind.
function labelOf(name, kind) {
  const {suffix} = KINDS[kind];
  return suffix ? name.replace(suffix, "") : name;
}

// Equal names have equal shades, so that neighbours can be told apart (FNV-1a).
function shadeOf(name) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; ++i) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash >>> 8) % SHADES;
}
