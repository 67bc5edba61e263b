# SPDX-License-Identifier: Apache-2.0
# Three methods that take 50, 30 and 20 % of the time.

TURNS = 1000

def spend_half
  i = 0
  i += 1 while i < 50 * TURNS
end

def spend_third
  i = 0
  i += 1 while i < 30 * TURNS
end

def spend_fifth
  i = 0
  i += 1 while i < 20 * TURNS
end

def spend_all
  spend_half
  spend_third
  spend_fifth
end

$stdout.sync = true
puts "ready"
spend_all while true
