// SPDX-License-Identifier: Apache-2.0
// What is read of an answer; calls are made in cri_containers_test.cpp.
#include "userspace/remote/grpc.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace waggle {
namespace {

using namespace std::string_literals;

HttpResponse answer(std::string body, std::string status = "0") {
  return {.status = 200,
          .body = std::move(body),
          .headers = {{"content-type", "application/grpc"}, {"grpc-status", std::move(status)}}};
}

std::string error_of(HttpResponse response) {
  const auto message = read_grpc_answer(std::move(response));
  return message ? "none: " + *message : message.error().what;
}

TEST(GrpcAnswer, has_one_message_behind_its_size) {
  EXPECT_EQ(read_grpc_answer(answer("\0\0\0\0\2ab"s)), "ab");
  EXPECT_EQ(read_grpc_answer(answer("\0\0\0\0\0"s)), "");
  EXPECT_EQ(read_grpc_answer(answer("\0\0\0\1\0"s + std::string(256, 'a'))), std::string(256, 'a'));
}

TEST(GrpcAnswer, is_refused_where_it_is_cut_compressed_or_more_than_one) {
  EXPECT_EQ(error_of(answer("")), "the answer has no message");
  EXPECT_EQ(error_of(answer("\0\0\0\0"s)), "the answer has no message");
  EXPECT_EQ(error_of(answer("\1\0\0\0\1a"s)), "the answer is compressed, which was not asked for");
  EXPECT_EQ(error_of(answer("\0\0\0\0\2a"s)), "a message of 2 bytes, of which 1 came");
  EXPECT_EQ(error_of(answer("\0\xff\xff\xff\xff\xff"s)),
            "a message of 4294967295 bytes, of which 1 came");
  EXPECT_EQ(error_of(answer("\0\0\0\0\1a\0\0\0\0\1b"s)), "a message of 1 bytes, of which 7 came");
}

TEST(GrpcAnswer, is_what_its_status_says) {
  HttpResponse refusal = answer("", "13");
  refusal.headers["grpc-message"] = "a\x1b[2J" + std::string(1000, 'b');
  EXPECT_EQ(error_of(std::move(refusal)), "gRPC status 13: a?[2J" + std::string(195, 'b'));
  EXPECT_EQ(read_grpc_answer(answer("", "12")).error().code, Errc::unsupported);
  EXPECT_EQ(error_of(answer("\0\0\0\0\0"s, "ok")), "the answer has no gRPC status");
  EXPECT_EQ(error_of({.status = 200, .body = "\0\0\0\0\0"s, .headers = {}}),
            "the answer has no gRPC status");
  EXPECT_EQ(error_of({.status = 503, .body = "", .headers = {}}), "status 503");
}

}  // namespace
}  // namespace waggle
