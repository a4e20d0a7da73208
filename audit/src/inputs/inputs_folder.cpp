// inputs_folder.cpp: folders: everything below them, and of virtual environments what is installed there. Links are
// followed once all that lies there in person has been seen, so that each file goes by its own name; a folder is never
// entered twice.
//
// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <system_error>

#include <interlock/escape.hpp>

#include "inputs/inputs.hpp"
#include "inputs/inputs_paths.hpp"
#include "inputs/package.hpp"

namespace interlock::auditing::inputs {
namespace {

namespace fs = std::filesystem;

/// RECORD of the largest known distribution has 3 MB.
constexpr std::uint64_t metadata_limit = 32u << 20;
constexpr std::size_t longest_path = 64 * 1024;

std::string joined(const std::string& folder, const std::string& name) {
    if (folder.empty() || folder == ".") return name;
    return folder.ends_with('/') ? folder + name : folder + '/' + name;
}

std::optional<std::string> read_text(const fs::path& path) {
    const auto file = open_regular(path);
    if (!file || file->size > metadata_limit) return std::nullopt;
    std::string text(file->size, '\0');
    FileStream stream(file->descriptor.get(), 0, file->size, path.native());
    text.resize(stream.fill({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
    return text;
}

bool is_folder(const fs::path& path) {
    std::error_code error;
    return fs::is_directory(path, error);
}
bool present(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

std::vector<std::string> subfolders(const fs::path& folder, std::string_view beginning) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const std::string name = entry->path().filename().native();
        if (name.starts_with(beginning) && is_folder(entry->path())) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// The folders with installed distributions of an environment: a virtual one, conda's, or a prefix such as /usr. Empty
/// when `root` is none.
std::vector<std::string> environment_folders(const std::string& root) {
    const fs::path base = root;
    const bool environment = present(base / "pyvenv.cfg") || present(base / "conda-meta") ||
                             present(base / "bin/python3") || present(base / "bin/python") ||
                             present(base / "python.exe");
    if (!environment) return {};
    std::vector<std::string> found;
    for (const char* library : {"lib", "lib64", "local/lib"})
        for (const char* interpreter : {"python", "pypy"})
            for (const std::string& version : subfolders(base / library, interpreter))
                for (const char* packages : {"site-packages", "dist-packages"}) {
                    const std::string folder = std::string(library) + '/' + version + '/' + packages;
                    if (is_folder(base / folder)) found.push_back(joined(root, folder));
                }
    if (is_folder(base / "Lib/site-packages")) found.push_back(joined(root, "Lib/site-packages"));
    return found;
}

/// A folder with installed distributions.
struct Site {
    std::string path;
    InstalledDistributions distributions;
};

struct Folder {
    std::string path;   ///< as the user would write it
    std::string below;  ///< below the root of the tree; "" for the root
    std::shared_ptr<const Site> site = nullptr;
    std::string below_site = {};
};

class TreeWalk {
public:
    explicit TreeWalk(Inputs& inputs) : inputs_(inputs) {}

    void walk(const std::string& root) {
        const base::Descriptor opened = open_path(root, O_PATH | O_DIRECTORY);
        const auto real = opened ? path_of(opened.get()) : std::nullopt;
        if (!real) return unreadable(root, errno);
        root_ = root;
        real_root_ = *real;
        pending_.push_back({root, ""});
        while (!pending_.empty() || !links_.empty()) {
            if (pending_.empty()) {
                const Link link = std::move(links_.front());
                links_.pop_front();
                follow(link);
                continue;
            }
            const Folder folder = std::move(pending_.back());
            pending_.pop_back();
            enter(folder);
        }
    }

    std::uint64_t found() const noexcept { return found_; }

private:
    struct Link {
        Folder parent;
        std::string name;
    };
    void unreadable(const std::string& path, int number) {
        ++found_;
        inputs_.report(path, {Errc::unreadable,
                              "cannot read " + quoted(path, 4096) + ": " + std::generic_category().message(number)});
    }

    struct CloseFolder {
        void operator()(DIR* folder) const noexcept { ::closedir(folder); }
    };
    using OpenFolder = std::unique_ptr<DIR, CloseFolder>;

    static OpenFolder open_folder(const std::string& path) {
        const base::Descriptor folder = open_path(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        if (!folder) return nullptr;
        const int own = ::fcntl(folder.get(), F_DUPFD_CLOEXEC, 0);  // which closedir() closes
        if (own < 0) return nullptr;
        OpenFolder opened(::fdopendir(own));
        if (!opened) ::close(own);
        return opened;
    }

    struct Listing {
        std::vector<std::string> folders, links, infos, files;
    };

    void sort_in(Listing& content, std::string name, unsigned type) {
        const bool of_interest = is_library_name(name) || archive_by_name(name);
        if (type == DT_DIR) {
            if (name.ends_with(".dist-info")) content.infos.push_back(name);
            content.folders.push_back(std::move(name));
        } else if (type == DT_LNK) {
            content.links.push_back(std::move(name));
        } else if (type == DT_REG) {
            inputs_.count_file(root_);
            if (of_interest) content.files.push_back(std::move(name));
        }
    }

    void enter(Folder folder) {
        const OpenFolder opened = open_folder(folder.path);
        struct stat status{};
        if (!opened || ::fstat(::dirfd(opened.get()), &status) != 0) return unreadable(folder.path, errno);
        if (!folders_.insert({status.st_dev, status.st_ino}).second) return;

        Listing content;
        const int number = ::dirfd(opened.get());
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(opened.get());
            if (entry == nullptr) {
                if (errno != 0) unreadable(folder.path, errno);
                break;
            }
            std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            unsigned type = entry->d_type;
            struct stat other{};
            if (type == DT_UNKNOWN && ::fstatat(number, name.c_str(), &other, AT_SYMLINK_NOFOLLOW) == 0)
                type = IFTODT(other.st_mode);
            sort_in(content, std::move(name), type);
        }
        // Of links only those that lead to something of interest.
        std::erase_if(content.links, [&](const std::string& name) {
            struct stat target{};
            return !is_library_name(name) && !archive_by_name(name) &&
                   !(::fstatat(number, name.c_str(), &target, 0) == 0 && S_ISDIR(target.st_mode));
        });

        std::sort(content.infos.begin(), content.infos.end());
        if (!content.infos.empty()) {
            const auto read = [&](const std::string& name) { return read_text(fs::path(folder.path) / name); };
            folder.site = std::make_shared<const Site>(folder.path, InstalledDistributions(content.infos, read));
            folder.below_site.clear();
        }
        // What is installed can be imported, whatever its folder is called.
        std::erase_if(content.folders, [&](const std::string& name) {
            return is_ignored_folder(name) && !(folder.site && is_importable(name));
        });
        std::sort(content.files.begin(), content.files.end());
        for (const std::string& file : content.files) offer(folder, file, place_in(status, file));
        std::sort(content.links.begin(), content.links.end());
        for (std::string& name : content.links) links_.push_back({folder, std::move(name)});
        std::sort(content.folders.begin(), content.folders.end(), std::greater<>());
        for (const std::string& name : content.folders) add_folder(folder, name);
    }

    void add_folder(const Folder& parent, const std::string& name) {
        Folder folder = child(parent, name);
        // Each level holds its whole path.
        if (folder.path.size() > longest_path) return unreadable(folder.path, ENAMETOOLONG);
        pending_.push_back(std::move(folder));
    }

    static Folder child(const Folder& folder, const std::string& name) {
        Folder result;
        result.path = joined(folder.path, name);
        result.below = folder.below.empty() ? name : folder.below + '/' + name;
        result.site = folder.site;
        if (folder.site) result.below_site = folder.below_site.empty() ? name : folder.below_site + '/' + name;
        return result;
    }

    void follow(const Link& link) {
        const std::string path = joined(link.parent.path, link.name);
        const base::Descriptor target = open_path(path, O_PATH);
        struct stat status{};
        if (!target || ::fstat(target.get(), &status) != 0) {
            if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR) return unreadable(path, errno);
            ++found_;
            return inputs_.report_skipped(path, "a link to nothing");
        }
        if (S_ISREG(status.st_mode)) return offer(link.parent, link.name, place_of(path));
        if (!S_ISDIR(status.st_mode)) return;
        const auto real = path_of(target.get());
        // What lies too deep to have a path is not around this tree.
        if (!real && errno == ENAMETOOLONG) return add_folder(link.parent, link.name);
        if (!real) return unreadable(path, errno);
        // One that leads out to a folder around this tree would pull in everything beside it.
        const fs::path folder = *real, root = real_root_;
        const auto [rest, _] = std::mismatch(folder.begin(), folder.end(), root.begin(), root.end());
        if (rest != folder.end()) add_folder(link.parent, link.name);
    }

    void offer(const Folder& folder, const std::string& name, std::string place) {
        if (!inputs_.first_visit(std::move(place))) return;
        ++found_;
        const std::string path = joined(folder.path, name);
        if (!is_library_name(name)) {
            auto opened = open_regular(path);
            if (!opened) return inputs_.report(path, std::move(opened).error());
            return inputs_.walk_archive(path, std::move(*opened), {});
        }
        const std::string below_site = folder.below_site.empty() ? name : folder.below_site + '/' + name;
        inputs_.hand_over_file(path, folder.site ? below_site : module_path_on_disk(path),
                               inputs_.add_package(package_of(folder, below_site)), false);
    }

    PackageAudit package_of(const Folder& folder, const std::string& below_site) const {
        PackageAudit package;
        if (folder.site) {
            if (const auto* owner = folder.site->distributions.find(below_site)) {
                package.name = owner->name;
                package.version = owner->version;
                package.path = joined(folder.site->path, owner->info);
                package.kind = "distribution";
                return package;
            }
        }
        const std::string& base = folder.site ? folder.site->path : root_;
        const std::string& below = folder.site ? folder.below_site : folder.below;
        package.kind = "folder";
        package.path = base;
        if (!below.empty()) package.path = joined(base, below.substr(0, below.find('/')));
        std::error_code error;
        package.name = fs::absolute(package.path, error).lexically_normal().filename().native();
        // "folder/" and "/".
        if (package.name.empty())
            package.name = fs::absolute(package.path, error).lexically_normal().parent_path().filename().native();
        if (package.name.empty()) package.name = package.path;
        return package;
    }

    Inputs& inputs_;
    std::string root_;
    std::string real_root_;  ///< without links
    std::vector<Folder> pending_;
    std::deque<Link> links_;
    std::set<std::pair<dev_t, ino_t>> folders_;
    std::uint64_t found_ = 0;  ///< of anything to say something about
};

}  // namespace

void Inputs::walk_folder(const std::string& path) {
    std::vector<std::string> roots = environment_folders(path);
    if (roots.empty()) roots.push_back(path);
    TreeWalk walk(*this);
    for (const std::string& root : roots) walk.walk(root);
    if (walk.found() == 0) report_skipped(path, "no compiled modules in it");
}

}  // namespace interlock::auditing::inputs
