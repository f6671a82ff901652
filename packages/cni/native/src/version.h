// Versions: of this program, and of the CNI specification that it speaks.
#pragma once

#include <string>
#include <vector>

namespace tartan {

// Of this program, as in the package's manifest.
const char* ProgramVersion();

// The version in the bytes of a program that is this one, whatever its architecture; "" when it is another program.
std::string VersionInside(const std::string& program);

// Versions of the specification, oldest first.
const std::vector<std::string>& SupportedVersions();

// Negative, zero or positive, by the numbers between the dots; what follows a hyphen is not looked at. A part that is no number
// counts as 0.
int CompareVersions(const std::string& left, const std::string& right);

}  // namespace tartan
