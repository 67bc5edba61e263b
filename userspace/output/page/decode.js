// SPDX-License-Identifier: Apache-2.0
// From the text in the page to typed arrays.  The format is told in page_data.h.
"use strict";

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  varint() {
    let value = this.bytes[this.at++];
    if (value < 0x80) return value;
    value &= 0x7f;
    // Not by shifts: those wrap at 32 bits.
    for (let scale = 128; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  section() {
    const size = this.varint();
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  hasMore() {
    return this.at < this.bytes.length;
  }
}

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Marks that turn the direction of text would let a name disguise itself and its neighbours.
function decodeNames(bytes) {
  const text = new TextDecoder().decode(bytes);
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd").split("\n");
}

function decodeNodeNames(planes, count) {
  const name = new Uint32Array(count);
  planes.forEach((plane, index) => {
    const shift = 8 * index;
    for (let i = 0; i < plane.length; ++i) name[i + 1] |= plane[i] << shift;
  });
  return name;
}

// Node 0 is the root; a node's subtree is the nodes from itself to end[node], exclusive.
function buildTree(pops, selves, planes) {
  const count = planes[0].length + 1;
  const name = decodeNodeNames(planes, count);
  const parent = new Uint32Array(count);
  const end = new Uint32Array(count);
  const exact = new Float64Array(count);
  const path = [0];
  let sum = 0;
  for (let i = 1, depth = 0; i < count; ++i) {
    depth += 1 - pops.varint();
    parent[i] = path[depth - 1];
    path[depth] = i;
    exact[i] = selves.varint();
    sum += exact[i];
  }
  const self = sum < 2 ** 32 ? Uint32Array.from(exact) : exact;
  const total = self.slice();
  for (let i = count - 1; i > 0; --i) {
    end[i] = end[i] || i + 1;
    const above = parent[i];
    total[above] += total[i];
    end[above] = end[above] || end[i];  // the last child comes first
  }
  end[0] = count;
  return {name, parent, end, self, total, count};
}

async function decodeProfile(base64) {
  const reader = new Reader(await inflate(decodeBase64(base64)));
  const facts = JSON.parse(new TextDecoder().decode(reader.section()));
  const names = decodeNames(reader.section());
  const containers = new Reader(reader.section());
  const pops = new Reader(reader.section());
  const selves = new Reader(reader.section());
  const planes = [];
  while (reader.hasMore()) planes.push(reader.section());
  const tree = buildTree(pops, selves, planes);
  const processes = [];
  for (let node = 1; node < tree.count; node = tree.end[node]) {
    processes.push({node, container: containers.varint(), comm: tree.name[node]});
  }
  return {facts, names, tree, processes};
}
