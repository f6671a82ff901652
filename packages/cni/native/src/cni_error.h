// What a command ends with when it fails. The codes are those of the CNI specification 1.1.0, section 5 ("Error"), and of its STATUS
// command; 999 is what the specification's library gives everything that has no code of its own.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tartan {

enum ErrorCode : int {
  kIncompatibleVersion = 1,
  kUnknownContainer = 3,
  kInvalidEnvironment = 4,
  kIoFailure = 5,
  kDecodingFailed = 6,
  kInvalidNetworkConfig = 7,
  kTryAgainLater = 11,
  kNotAvailable = 50,
  kNotAvailableLimitedConnectivity = 51,
  kInternal = 999,
};

class CniError : public std::runtime_error {
 public:
  CniError(int code, const std::string& message, std::string details = "")
      : std::runtime_error(message), code_(code), details_(std::move(details)) {}

  int code() const { return code_; }
  const std::string& details() const { return details_; }

 private:
  int code_;
  std::string details_;
};

// A delegate that failed in the way of the specification: its error object goes to the runtime as it is.
class DelegateError : public std::runtime_error {
 public:
  explicit DelegateError(std::string object) : std::runtime_error("delegate failed"), object_(std::move(object)) {}

  // The delegate's JSON text.
  const std::string& object() const { return object_; }

 private:
  std::string object_;
};

}  // namespace tartan
