// One rtnetlink request and all of its answer, for the parts of tc that the rtnetlink contract of the core does not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tartan {

// Sends `request`, one message, in the network namespace of `netns` (a path; empty: the caller's) and appends everything up to the
// acknowledgement (NLMSG_ERROR) or the end of the dump (NLMSG_DONE) to `answer`. 0 or a negative errno of the socket; an error of the
// request itself is in the answer.
int RouteRequest(const std::string& netns, const uint8_t* request, size_t bytes, std::vector<uint8_t>* answer);

}  // namespace tartan
