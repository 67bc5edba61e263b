// SPDX-License-Identifier: Apache-2.0
// sites DEPTH: main -> DEPTH functions -> burn.  All are different, and each time the stack begins
// at another of them, so that no cache of call sites serves twice.
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

constexpr std::size_t kFunctions = 6000;
volatile unsigned long sink;

void burn() {
  for (int i = 0; i < 200000; i++) {
    sink = sink + 1;
  }
}

template <std::size_t number>
void descend(int depth) {
  if (depth > 1) {
    descend<(number + 1) % kFunctions>(depth - 1);
  } else {
    burn();
  }
  sink = sink + number;
}

template <std::size_t... numbers>
constexpr auto make_table(std::index_sequence<numbers...> /*unused*/) {
  return std::array<void (*)(int), kFunctions>{descend<numbers>...};
}

}  // namespace

int main(int argc, char** argv) {
  const int depth = argc > 1 ? std::atoi(argv[1]) : 10;
  static constexpr auto kTable = make_table(std::make_index_sequence<kFunctions>());
  std::puts("ready");
  std::fflush(stdout);
  for (std::size_t first = 0;; first = (first + static_cast<std::size_t>(depth)) % kFunctions) {
    kTable.at(first)(depth);
  }
}
