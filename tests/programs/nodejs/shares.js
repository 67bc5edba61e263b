// SPDX-License-Identifier: Apache-2.0
// Three functions that take 50, 30 and 20 % of the time.
'use strict';

const TURNS = 100000;

function spendHalf() {
  let sum = 0;
  for (let i = 0; i < 5 * TURNS; i++) sum = (sum + i) | 0;
  return sum;
}

function spendThird() {
  let sum = 0;
  for (let i = 0; i < 3 * TURNS; i++) sum = (sum + i) | 0;
  return sum;
}

function spendFifth() {
  let sum = 0;
  for (let i = 0; i < 2 * TURNS; i++) sum = (sum + i) | 0;
  return sum;
}

function spendAll() {
  return spendHalf() + spendThird() + spendFifth();
}

require('fs').writeSync(1, 'ready\n');
for (;;) spendAll();
