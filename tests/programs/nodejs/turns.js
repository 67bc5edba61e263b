// SPDX-License-Identifier: Apache-2.0
// Busy in one function, and back in its event loop after each call of it, where timers have their
// turn.
'use strict';

const STEPS = 500000;

function spendAll() {
  let sum = 0;
  for (let i = 0; i < STEPS; i++) sum = (sum + i) | 0;
  return sum;
}

function turn() {
  spendAll();
  setImmediate(turn);
}

require('fs').writeSync(1, 'ready\n');
turn();
