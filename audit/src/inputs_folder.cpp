// inputs_folder.cpp: folders: everything below them, and of virtual environments what is installed there. Links are
// followed once all that lies there in person has been seen, so that each file goes by its own name; a folder is never
// entered twice.
//
// SPDX-License-Identifier: MIT
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <system_error>

#include <interlock/escape.hpp>

#include "inputs.hpp"
#include "package.hpp"

namespace interlock::auditing {
namespace {

namespace fs = std::filesystem;

/// RECORD of the largest known distribution has 3 MB.
constexpr std::uint64_t metadata_limit = 32u << 20;

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
        std::error_code error;
        root_ = root;
        canonical_root_ = fs::canonical(root, error);
        if (error) return unreadable(root, error.value());
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
    struct Entry {
        std::string name;
        std::uint64_t size = 0;
    };

    void unreadable(const std::string& path, int number) {
        ++found_;
        inputs_.report(path, {Errc::unreadable,
                              "cannot read " + quoted(path, 4096) + ": " + std::generic_category().message(number)});
    }

    void enter(Folder folder) {
        struct stat status{};
        if (::stat(folder.path.c_str(), &status) != 0) return unreadable(folder.path, errno);
        if (!folders_.insert({status.st_dev, status.st_ino}).second) return;

        std::vector<std::string> folders, links, infos;
        std::vector<Entry> files;
        std::error_code error;
        fs::directory_iterator entry(folder.path, error);
        for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
            std::string name = entry->path().filename().native();
            std::error_code unknown;
            const fs::file_type type = entry->symlink_status(unknown).type();
            const bool of_interest = is_library_name(name) || archive_by_name(name);
            if (type == fs::file_type::directory) {
                if (is_ignored_folder(name)) continue;
                if (name.ends_with(".dist-info")) infos.push_back(name);
                folders.push_back(std::move(name));
            } else if (type == fs::file_type::symlink) {
                if (of_interest || is_folder(entry->path())) links.push_back(std::move(name));
            } else if (type == fs::file_type::regular) {
                inputs_.count_file(root_);
                if (!of_interest) continue;
                const std::uintmax_t size = entry->file_size(unknown);
                files.push_back({std::move(name), unknown ? 0 : size});
            }
        }
        if (error) unreadable(folder.path, error.value());

        std::sort(infos.begin(), infos.end());
        if (!infos.empty()) {
            const auto read = [&](const std::string& name) { return read_text(fs::path(folder.path) / name); };
            folder.site = std::make_shared<const Site>(folder.path, InstalledDistributions(infos, read));
            folder.below_site.clear();
        }
        std::sort(files.begin(), files.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
        const fs::path canonical = canonical_of(folder);
        for (const Entry& file : files) offer(folder, file, canonical / file.name);
        std::sort(links.begin(), links.end());
        for (std::string& name : links) links_.push_back({folder, std::move(name)});
        std::sort(folders.begin(), folders.end(), std::greater<>());
        for (const std::string& name : folders) pending_.push_back(child(folder, name));
    }

    static Folder child(const Folder& folder, const std::string& name) {
        Folder result;
        result.path = joined(folder.path, name);
        result.below = folder.below.empty() ? name : folder.below + '/' + name;
        result.site = folder.site;
        if (folder.site) result.below_site = folder.below_site.empty() ? name : folder.below_site + '/' + name;
        return result;
    }

    static fs::path canonical_of(const Folder& folder) {
        std::error_code error;
        fs::path canonical = fs::canonical(folder.path, error);
        return error ? fs::path(folder.path) : canonical;
    }

    void follow(const Link& link) {
        const std::string path = joined(link.parent.path, link.name);
        struct stat status{};
        if (::stat(path.c_str(), &status) != 0) {
            ++found_;
            return inputs_.report_skipped(path, "a link to nothing");
        }
        std::error_code error;
        const fs::path target = fs::canonical(path, error);
        if (error) return unreadable(path, error.value());
        if (S_ISDIR(status.st_mode)) {
            // One that leads out to a folder around this tree would pull in everything beside it.
            const auto [rest, _] =
                std::mismatch(target.begin(), target.end(), canonical_root_.begin(), canonical_root_.end());
            if (rest != target.end()) pending_.push_back(child(link.parent, link.name));
        } else if (S_ISREG(status.st_mode)) {
            offer(link.parent, {link.name, static_cast<std::uint64_t>(status.st_size)}, target);
        }
    }

    void offer(const Folder& folder, const Entry& file, const fs::path& canonical) {
        if (!inputs_.first_visit(canonical)) return;
        ++found_;
        const std::string path = joined(folder.path, file.name);
        if (!is_library_name(file.name)) {
            auto opened = open_regular(path);
            if (!opened) return inputs_.report(path, std::move(opened).error());
            return inputs_.walk_archive(path, std::move(*opened), {});
        }
        const std::string below_site = folder.below_site.empty() ? file.name : folder.below_site + '/' + file.name;
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
    fs::path canonical_root_;
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

}  // namespace interlock::auditing
