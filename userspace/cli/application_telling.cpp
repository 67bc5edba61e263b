// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/application_telling.h"

#include <utility>

#include "userspace/profile/application_columns.h"

namespace waggle {

ApplicationTelling::ApplicationTelling(const RecordOptions& options)
    : has_metadata_(options.has_application_metadata) {
  if (options.has_application_metadata || options.has_application_ids) {
    reader_.emplace(ApplicationWishes{.has_metadata = options.has_application_metadata,
                                      .has_ids = options.has_application_ids,
                                      .java_arguments = options.java_id_arguments,
                                      .wants_spark = options.has_spark_ids,
                                      .has_jvm_flags = options.has_jvm_flags,
                                      .jvm_flags = options.jvm_flags});
  }
}

ApplicationSink ApplicationTelling::sink() {
  if (!reader_) {
    return {};
  }
  return [this](ApplicationRef application) {
    if (is_told_) {
      reader_->want(std::move(application));
    }
  };
}

void ApplicationTelling::take_told(ToldApplications told) {
  if (reader_) {
    reader_->take_told(std::move(told));
  }
}

Profile ApplicationTelling::tell(Profile profile, std::chrono::milliseconds patience,
                                 const std::stop_token& hurry) {
  if (!reader_) {
    return profile;
  }
  reader_->wait(patience, hurry);
  return settle_applications(std::move(profile));
}

}  // namespace waggle
