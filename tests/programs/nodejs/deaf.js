// SPDX-License-Identifier: Apache-2.0
// A handler of SIGUSR1 that is taken away leaves none, not Node's own: the signal would end it.
'use strict';

const ignore = () => {};
process.on('SIGUSR1', ignore);
process.off('SIGUSR1', ignore);
require('./shares.js');
