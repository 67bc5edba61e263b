// SPDX-License-Identifier: Apache-2.0
// exceptions [ROUNDS]: 50 named threads, each work -> descend (five times) -> fail, which throws
// after so many rounds of a loop; work catches.  With the default most of the time goes to the C++
// runtime.
#include <pthread.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

constexpr int kDepth = 5;
volatile unsigned long sink;
int rounds = 2000;

void fail(int value) {
  for (int i = 0; i < rounds; i++) {
    sink = sink + 1;
  }
  throw value;
}

void descend(int depth) {
  const std::string text(static_cast<std::size_t>(depth) + 20, 'x');  // to be destroyed on the way
  if (depth > 1) {
    descend(depth - 1);
  } else {
    fail(depth);
  }
  sink = sink + text.size();
}

void work() {
  for (;;) {
    try {
      descend(kDepth);
    } catch (int value) {
      sink = sink + static_cast<unsigned long>(value);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    rounds = std::atoi(argv[1]);
  }
  std::array<std::thread, 50> threads;
  int number = 0;
  for (std::thread& thread : threads) {
    thread = std::thread(work);
    pthread_setname_np(thread.native_handle(), ("worker " + std::to_string(number++)).c_str());
  }
  std::puts("ready");
  std::fflush(stdout);
  for (std::thread& thread : threads) {
    thread.join();
  }
}
