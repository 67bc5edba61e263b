<?php
// SPDX-License-Identifier: Apache-2.0
// Two functions that take all of the time.
function spend_more() {
  for ($i = 0; $i < 60000; $i++) {
  }
}

function spend_less() {
  for ($i = 0; $i < 40000; $i++) {
  }
}

echo "ready\n";
while (true) {
  spend_more();
  spend_less();
}
