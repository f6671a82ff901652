// The plugin that does the work: found in CNI_PATH by its type, run by the rules that a runtime follows (CNI specification 1.1.0,
// section 4, "Plugin Delegation").
#pragma once

#include <string>

#include "attachment_store.h"
#include "json.h"

namespace tartan {

struct DelegateCall {
  std::string command;
  // CNI_PATH.
  std::string path;
  // With its `type`.
  Json config;
};

// Throws CniError with kInvalidNetworkConfig for what is no file name, and for this plugin's own names.
void RequirePluginType(const std::string& type);

// Runs it in our own environment and returns what it printed. Throws DelegateError with its error object when it failed by the rules,
// CniError with kInternal when it could not be found, could not be run, or failed otherwise, and kInvalidNetworkConfig for a type that
// cannot be one.
std::string RunDelegate(const DelegateCall& call);

// The same for an attachment that is not the one in our environment, and whose network namespace is not known.
std::string RunDelegateFor(const DelegateCall& call, const Attachment& attachment);

// `path` is a list of directories separated by colons. "" when no directory has a regular file of that name.
std::string FindProgram(const std::string& name, const std::string& path);

}  // namespace tartan
