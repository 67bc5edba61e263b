// SPDX-License-Identifier: Apache-2.0
// What is told of programs put into a profile, at its end: the first column of a .col file, and the
// frame of an application's id.  Pure.
#pragma once

#include "userspace/profile/profile.h"

namespace waggle {

// An id becomes the frame "appid: ID", the first after the process' name.  What is left of an
// application is its metadata: equal ones have one number, by the order of their texts, so that
// Profile::Stack::application is what a .col file has, and 0 what nothing is told of.
Profile settle_applications(Profile profile);

}  // namespace waggle
