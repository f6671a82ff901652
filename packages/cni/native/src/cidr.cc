#include "cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdlib>

namespace tartan {

std::string NetworkOf(const std::string& text, int family) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return "";
  const std::string digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) return "";
  const int length = atoi(digits.c_str());
  const int bits = family == AF_INET ? 32 : 128;
  unsigned char address[sizeof(in6_addr)];
  if (length > bits || inet_pton(family, text.substr(0, slash).c_str(), address) != 1) return "";
  for (int bit = length; bit < bits; bit++) address[bit / 8] &= static_cast<unsigned char>(~(0x80 >> (bit % 8)));
  char printed[INET6_ADDRSTRLEN];
  if (inet_ntop(family, address, printed, sizeof printed) == nullptr) return "";
  return std::string(printed) + "/" + std::to_string(length);
}

}  // namespace tartan
