// SPDX-License-Identifier: Apache-2.0
// Waits in a system call, without end: no JavaScript runs any more, an inspector's neither.
'use strict';

const fs = require('fs');
const terminal = fs.openSync('/dev/ptmx', 'r+'); // to which nobody types
fs.writeSync(1, 'ready\n');
fs.readSync(terminal, Buffer.alloc(1));
