// The few string operations that the standard library lacks.
#pragma once

#include <string>
#include <vector>

namespace tartan {

// Pieces between separators, empty ones included; one piece for a text without separator.
std::vector<std::string> Split(const std::string& text, char separator);

std::string Join(const std::vector<std::string>& pieces, const std::string& separator);

// Without blanks, tabs and line ends on both sides.
std::string Trim(const std::string& text);

// Value of an environment variable, "" when it is not set.
std::string Environment(const char* name);

// `description: No such file or directory`, for an errno.
std::string WithErrno(const std::string& description, int error_number);

}  // namespace tartan
