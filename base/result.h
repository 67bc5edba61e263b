// SPDX-License-Identifier: Apache-2.0
// Errors as values.  Each level adds its noun in front ("load cpu_sampler: ..."), the top logs
// once. Not for "not there" (std::optional) nor for broken promises of our own (CHECK in
// base/check.h).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace waggle {

enum class Errc {
  not_found,    // the thing named does not exist
  permission,   // a privilege is missing
  unsupported,  // the kernel, file or format lacks it
  malformed,    // bytes from outside break their own format
  exhausted,    // a limit of ours was reached
  system,       // any other errno
};

struct Error {
  Errc code;
  std::string what;  // "attach cpu 3: perf_event_open: Permission denied"
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string what) {
  return std::unexpected(Error{code, std::move(what)});
}

// The same error with one more noun in front.
inline std::unexpected<Error> add_context(std::string_view noun, Error error) {
  error.what.insert(0, ": ").insert(0, noun);
  return std::unexpected(std::move(error));
}

// "open /x: No such file or directory", with the code that fits the errno.
std::unexpected<Error> fail_errno(std::string_view what, int error_number);

}  // namespace waggle

// Yields the value of a Result, or returns its error from the enclosing function.
#define TRY(expr)                                             \
  ({                                                          \
    auto try_result_ = (expr);                                \
    if (!try_result_) [[unlikely]]                            \
      return std::unexpected(std::move(try_result_).error()); \
    *std::move(try_result_);                                  \
  })
