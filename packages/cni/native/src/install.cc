#include "install.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "cni_error.h"
#include "conflist.h"
#include "file.h"
#include "text.h"
#include "version.h"

/*
 * Order matters: the runtime takes a node for ready when it sees a conflist, so the programs come first; on the way out the conflist
 * goes first. Every step is a rename, so a pod that starts meanwhile finds the old program or the new one. The two programs are
 * copies, no links of one file: flannel's own installer writes with `cp -f` through whatever has the name.
 *
 * What stood there and is not ours is set aside as `<name>.before-tartan`, which no runtime loads, and comes back with uninstall.
 */
namespace tartan {
namespace {

constexpr const char* kProgramNames[] = {"tartan", "flannel"};
constexpr char kAsideSuffix[] = ".before-tartan";
constexpr size_t kProgramLimit = 256 * 1024 * 1024;
constexpr size_t kConflistLimit = 1024 * 1024;
constexpr mode_t kProgramMode = 0755;
constexpr mode_t kConflistMode = 0644;
constexpr mode_t kDirectoryMode = 0755;

constexpr char kUsage[] =
    "Usage: tartan install   [--bin-dir DIR] [--conf-dir DIR] [--conflist FILE] [--conflist-name NAME]\n"
    "                        [--set-aside NAME]... [--allow-downgrade]\n"
    "       tartan uninstall [--bin-dir DIR] [--conf-dir DIR] [--conflist-name NAME]\n"
    "       tartan --version\n"
    "\n"
    "install copies this program to DIR/tartan and DIR/flannel, then writes the conflist.\n"
    "  --bin-dir DIR         where the runtime looks for plugins (/opt/cni/bin)\n"
    "  --conf-dir DIR        where the runtime looks for configs (/etc/cni/net.d)\n"
    "  --conflist FILE       the config to install; without it only the programs are installed\n"
    "  --conflist-name NAME  its name in the config directory (10-tartan.conflist)\n"
    "  --set-aside NAME      another file of the config directory to put out of the way, for example 10-flannel.conflist\n"
    "  --allow-downgrade     also replace a newer version of this program\n"
    "uninstall removes what is ours and brings back what was set aside.\n";

struct Wish {
  std::string verb;
  std::string bin_dir = "/opt/cni/bin";
  std::string conf_dir = "/etc/cni/net.d";
  std::string conflist;
  std::string conflist_name = "10-tartan.conflist";
  std::vector<std::string> set_aside;
  bool allow_downgrade = false;
};

struct UsageError {
  std::string text;
};

void Say(const std::string& text) { printf("%s\n", text.c_str()); }

void RequireFileName(const std::string& option, const std::string& name) {
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos) throw UsageError{option + " wants a plain file name"};
}

Wish ReadWish(const std::vector<std::string>& arguments) {
  Wish wish;
  wish.verb = arguments[0];
  for (size_t i = 1; i < arguments.size(); i++) {
    std::string option = arguments[i];
    std::optional<std::string> given;
    if (const size_t equals = option.find('='); equals != std::string::npos) {
      given = option.substr(equals + 1);
      option.resize(equals);
    }
    if (option == "--allow-downgrade" && !given) {
      wish.allow_downgrade = true;
      continue;
    }
    const auto value = [&]() -> std::string {
      if (given) return *given;
      if (i + 1 == arguments.size()) throw UsageError{option + " wants a value"};
      return arguments[++i];
    };
    if (option == "--bin-dir") wish.bin_dir = value();
    else if (option == "--conf-dir") wish.conf_dir = value();
    else if (option == "--conflist") wish.conflist = value();
    else if (option == "--conflist-name") wish.conflist_name = value();
    else if (option == "--set-aside") wish.set_aside.push_back(value());
    else throw UsageError{"unknown option " + arguments[i]};
  }
  RequireFileName("--conflist-name", wish.conflist_name);
  for (const std::string& name : wish.set_aside) RequireFileName("--set-aside", name);
  return wish;
}

std::string ReadRequired(const std::string& path, size_t limit) {
  std::optional<std::string> content = ReadIfThere(path, limit);
  if (!content) throw CniError(kIoFailure, WithErrno("open " + path, ENOENT));
  return *content;
}

bool Exists(const std::string& path) {
  struct stat file;
  return lstat(path.c_str(), &file) == 0;
}

void Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == -1) throw CniError(kIoFailure, WithErrno("rename " + from, errno));
  SyncDirectory(DirectoryOf(to));
}

bool RefusesDowngrade(const Wish& wish, const std::string& path, const std::string& present) {
  if (wish.allow_downgrade || present.empty() || CompareVersions(present, ProgramVersion()) <= 0) return false;
  Say("kept " + path + " " + present + ": newer than " + ProgramVersion());
  return true;
}

void InstallProgram(const Wish& wish, const std::string& name, const std::string& program) {
  const std::string path = PathOf(wish.bin_dir, name);
  const std::optional<std::string> present = ReadIfThere(path, kProgramLimit);
  if (present == program) {
    if (chmod(path.c_str(), kProgramMode) == -1) throw CniError(kIoFailure, WithErrno("chmod " + path, errno));
    return Say("unchanged " + path);
  }
  const std::string version = present ? VersionInside(*present) : "";
  if (RefusesDowngrade(wish, path, version)) return;
  if (present && version.empty()) {
    // A copy, so that the name is never without a program.
    WriteAtomic(path + kAsideSuffix, *present, kProgramMode);
    Say("set aside " + path + kAsideSuffix);
  }
  WriteAtomic(path, program, kProgramMode);
  Say("installed " + path + " " + ProgramVersion());
}

void InstallConflist(const Wish& wish) {
  const std::string text = FitConflist(ReadRequired(wish.conflist, kConflistLimit), wish.conflist, wish.bin_dir);
  const std::string path = PathOf(wish.conf_dir, wish.conflist_name);
  MakeDirectories(wish.conf_dir, kDirectoryMode);
  if (ReadIfThere(path, kConflistLimit) == text) {
    Say("unchanged " + path);
  } else {
    WriteAtomic(path, text, kConflistMode);
    Say("installed " + path);
  }
}

void SetAside(const Wish& wish) {
  for (const std::string& name : wish.set_aside) {
    const std::string path = PathOf(wish.conf_dir, name);
    if (name == wish.conflist_name || !Exists(path)) continue;
    Rename(path, path + kAsideSuffix);
    Say("set aside " + path + kAsideSuffix);
  }
}

void Install(const Wish& wish) {
  const std::string program = ReadRequired("/proc/self/exe", kProgramLimit);
  MakeDirectories(wish.bin_dir, kDirectoryMode);
  for (const char* name : kProgramNames) InstallProgram(wish, name, program);
  if (!wish.conflist.empty()) InstallConflist(wish);
  SetAside(wish);
}

void BringBack(const std::string& path) {
  if (Exists(path) || !Exists(path + kAsideSuffix)) return;
  Rename(path + kAsideSuffix, path);
  Say("brought back " + path);
}

void BringBackConfigs(const std::string& directory) {
  for (const std::string& name : NamesWithSuffix(directory, kAsideSuffix)) {
    BringBack(PathOf(directory, name.substr(0, name.size() - (sizeof kAsideSuffix - 1))));
  }
}

void Uninstall(const Wish& wish) {
  const std::string conflist = PathOf(wish.conf_dir, wish.conflist_name);
  if (Exists(conflist)) {
    RemoveFile(conflist);
    Say("removed " + conflist);
  }
  BringBackConfigs(wish.conf_dir);
  for (const char* name : kProgramNames) {
    const std::string path = PathOf(wish.bin_dir, name);
    const std::optional<std::string> present = ReadIfThere(path, kProgramLimit);
    if (present && VersionInside(*present).empty()) {
      Say("kept " + path + ": not ours");
      continue;
    }
    if (Exists(path + kAsideSuffix)) {
      Rename(path + kAsideSuffix, path);
      Say("brought back " + path);
    } else if (present) {
      RemoveFile(path);
      Say("removed " + path);
    }
  }
}

}  // namespace

int RunInstaller(const std::vector<std::string>& arguments) {
  try {
    const std::string& verb = arguments[0];
    if (verb == "--version") return Say(ProgramVersion()), 0;
    if (verb == "--help" || verb == "-h") return fputs(kUsage, stdout), 0;
    if (verb != "install" && verb != "uninstall") throw UsageError{"unknown command " + verb};
    const Wish wish = ReadWish(arguments);
    if (verb == "install") Install(wish);
    else Uninstall(wish);
    return 0;
  } catch (const UsageError& error) {
    fprintf(stderr, "tartan: %s\n%s", error.text.c_str(), kUsage);
    return 2;
  } catch (const CniError& error) {
    fprintf(stderr, "tartan: %s%s%s\n", error.what(), error.details().empty() ? "" : ": ", error.details().c_str());
    return 1;
  }
}

}  // namespace tartan
