// A CNI meta-plugin: reads the node's subnet from subnet.env, renders the config of a delegate, and runs that. Called by a container
// runtime with CNI_COMMAND in the environment, or by hand with `install` or `uninstall`. It needs no daemon for ADD and DEL.
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <vector>

#include "cni_error.h"
#include "commands.h"
#include "install.h"
#include "invocation.h"
#include "json.h"
#include "text.h"
#include "version.h"

namespace tartan {
namespace {

int PrintAll(const std::string& text) {
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = write(STDOUT_FILENO, text.data() + written, text.size() - written);
    if (count == -1 && errno == EINTR) continue;
    if (count <= 0) return 1;
    written += static_cast<size_t>(count);
  }
  return 0;
}

int PrintError(const std::string& cni_version, int code, const std::string& message, const std::string& details) {
  Json object{{"cniVersion", cni_version}, {"code", code}, {"msg", message}};
  if (!details.empty()) object["details"] = details;
  PrintAll(Print(object) + "\n");
  return 1;
}

int RunAsPlugin() {
  std::string cni_version = SupportedVersions().back();
  try {
    return PrintAll(RunCommand(ReadInvocation(&cni_version)));
  } catch (const DelegateError& error) {
    PrintAll(error.object());
    return 1;
  } catch (const CniError& error) {
    return PrintError(cni_version, error.code(), error.what(), error.details());
  } catch (const std::exception& error) {
    return PrintError(cni_version, kInternal, error.what(), "");
  }
}

int Introduce() {
  fprintf(stderr, "CNI plugin tartan %s\nCNI protocol versions supported: %s\n", ProgramVersion(),
          Join(SupportedVersions(), ", ").c_str());
  return 0;
}

}  // namespace
}  // namespace tartan

int main(int argc, char** argv) {
  if (argc > 1) return tartan::RunInstaller({argv + 1, argv + argc});
  return tartan::Environment("CNI_COMMAND").empty() ? tartan::Introduce() : tartan::RunAsPlugin();
}
