// inputs_archive.cpp: archives, and archives in archives. Of a zip file a member is handed over as the place where it
// lies, metadata and manifests first. A tar file is read once from front to back, and a member is handed over as soon
// as it has been read; only when the manifest of a member comes behind it, that one is read once more.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>

#include <interlock/escape.hpp>

#include "inputs/archive.hpp"
#include "inputs/inputs.hpp"
#include "inputs/package.hpp"

namespace interlock::auditing::inputs {
namespace {

constexpr std::uint64_t metadata_limit = 1u << 20, manifests_limit = 16u << 20;
constexpr std::size_t most_notes = 100, most_links = 100'000;

/// A package, of which the metadata may come behind its first member.
struct PackageInProgress {
    PackageAudit audit;
    std::optional<std::size_t> index;  ///< once it has a member
};

/// One archive, on disk or in another.
struct Scope {
    std::string path;         ///< as in reports
    std::string inner;        ///< below the outermost archive, with '!' between archives; "" for that one
    std::string_view wanted;  ///< the member that the user named; empty: all
    unsigned depth = 0;
    bool deb_control = false, deb = false;
    std::shared_ptr<PackageInProgress> package;
    std::string package_path;  ///< of the archive that is the package
};

/// A member, and how to get at it.
struct Entry {
    const Member& member;
    ByteStream& stream;
    const ZipArchive* zip = nullptr;  ///< of which it is then a ZipMember
};

std::string below(const std::string& outer, const std::string& name) {
    return outer.empty() ? name : outer + '!' + name;
}

class ArchiveWalk {
public:
    ArchiveWalk(Inputs& inputs, std::string path, OpenedFile file)
        : inputs_(inputs),
          path_(std::move(path)),
          file_(std::make_shared<const OpenedFile>(std::move(file))),
          usage_(inputs.budget(), path_, file_->size) {}
    ~ArchiveWalk() { inputs_.memory().set_fixed(0); }
    ArchiveWalk(const ArchiveWalk&) = delete;
    ArchiveWalk& operator=(const ArchiveWalk&) = delete;

    void walk(std::string_view wanted) {
        pass(wanted);
        if (!wanted.empty() && !met_wanted_ && !spoke_)
            return report(path_ + '!' + std::string(wanted),
                          {Errc::not_found, quoted(path_, 4096) + " has no member " + quoted(wanted, 4096)});
        report_hidden_libraries();
        if (!spoke_) inputs_.report_skipped(path_, "no compiled modules in it");
        if (late_.empty() || stopped_) return;
        for (const std::string& name : late_)
            for (const std::uint64_t sequence : handed_over_[name]) inputs_.discard(sequence);
        second_ = true;
        usage_ = Usage(inputs_.budget(), path_, file_->size);
        pass(wanted);
    }

private:
    void pass(std::string_view wanted) {
        FileStream stream(file_->descriptor.get(), 0, file_->size, path_);
        Scope scope;
        scope.path = path_;
        scope.wanted = wanted;
        scope.package = started(path_);
        scope.package_path = path_;
        try {
            PeekedStream peeked(stream);
            const auto kind = kind_of(peeked.head(), path_);
            if (kind == ArchiveKind::zip)
                walk_zip(file_, scope);
            else
                walk_stream(peeked, kind, scope);
        } catch (const Failure& failure) {
            stopped_ = true;
            report(path_, failure.error());
        }
    }

    static std::shared_ptr<PackageInProgress> started(const std::string& path) {
        return std::make_shared<PackageInProgress>(PackageInProgress{package_of_archive(path), std::nullopt});
    }

    static ArchiveKind kind_of(Head head, const std::string& name) {
        // The content counts: a program can be in front of a zip file only, which has to be known by its name.
        if (const auto kind = archive_by_content(head)) return *kind;
        return archive_by_name(name).value_or(ArchiveKind::tar);
    }

    void report(const std::string& path, Error error) {
        spoke_ = true;
        if (!second_) inputs_.report(path, std::move(error));
    }

    void read_about(const ZipArchive& archive, const ZipMember& member, Scope& scope) {
        if (!member.regular || member.nameless || !is_about_others(member, scope)) return;
        const PackedMember packed{archive.file(), member, scope.path + '!' + member.name};
        guarded(member, scope, [&] {
            const auto stream = inputs_.unpacker().open(packed, &usage_);
            read_about_others({member, *stream, &archive}, scope);
        });
    }

    void walk_zip(const std::shared_ptr<const OpenedFile>& file, Scope& scope) {
        const ZipArchive archive(file, scope.path, usage_);
        const std::uint64_t before = directories_;
        inputs_.memory().set_fixed(directories_ += archive.entries() * zip_entry_cost);
        try {
            if (!second_) archive.each([&](const ZipMember& member) { read_about(archive, member, scope); });
            archive.each([&](const ZipMember& member) {
                const PackedMember packed{archive.file(), member, scope.path + '!' + member.name};
                const auto stream = inputs_.unpacker().open(packed, &usage_);
                walk_entry({member, *stream, &archive}, scope);
            });
            if (archive.damage()) throw Failure(*archive.damage());
        } catch (...) {
            inputs_.memory().set_fixed(directories_ = before);
            throw;
        }
        inputs_.memory().set_fixed(directories_ = before);
    }

    void walk_stream(PeekedStream& stream, ArchiveKind kind, Scope& scope) {
        if (stream.head().empty())
            throw Failure({Errc::malformed_file, "cannot read " + quoted(scope.path, 4096) + ": the file is empty"});
        scope.deb = kind == ArchiveKind::deb;
        if (scope.deb) return walk_members(*open_deb(stream, scope.path, usage_), scope);
        const OpenedFile* const whole = scope.depth == 0 ? file_.get() : nullptr;
        const Compression compression = compression_of(stream.head());
        walk_members(*inputs_.unpacker().open_tar(stream, whole, compression, scope.path, usage_), scope);
    }

    void walk_members(ArchiveReader& reader, Scope& scope) {
        Member member;
        while (reader.next(member)) {
            MemberStream stream(reader);
            walk_entry({member, stream}, scope);
        }
    }

    void walk_entry(const Entry& entry, Scope& scope) {
        const Member& member = entry.member;
        if (!member.regular) {
            keep_link(member, scope);
            if (!scope.wanted.empty() && member.name == scope.wanted) report_no_file(scope.path + '!' + member.name);
            return;
        }
        inputs_.count_file(path_);
        if (member.nameless)
            return report(scope.path,
                          {Errc::malformed_file, "cannot read a member of " + quoted(scope.path, 4096) +
                                                     ": its name is too long for a path, or not the UTF-8 that it "
                                                     "claims to be"});
        if (is_about_others(member, scope)) {
            // Of a zip file it has been read.
            if (entry.zip == nullptr && !second_) guarded(member, scope, [&] { read_about_others(entry, scope); });
            return;
        }
        guarded(member, scope, [&] { walk_member(entry, scope); });
    }

    /// What is wrong with one member concerns no other.
    template <typename Function>
    void guarded(const Member& member, const Scope& scope, const Function& function) {
        try {
            function();
        } catch (const LimitReached&) {
            throw;
        } catch (const Failure& failure) {
            report(scope.path + '!' + member.name, failure.error());
        }
    }

    /// Of a tar file, which is unpacked with its links: one that is named like a library may lead to a member that is
    /// not.
    void keep_link(const Member& member, const Scope& scope) {
        if (member.link.empty() || second_ || !scope.wanted.empty() || links_.size() >= most_links) return;
        std::string target = member.link;
        const std::size_t slash = member.name.rfind('/');
        if (!member.hard_link && !target.starts_with('/') && slash != member.name.npos)
            target = member.name.substr(0, slash + 1) + target;
        while (target.starts_with('/')) target.erase(0, 1);
        target = member_name(std::filesystem::path(target).lexically_normal().generic_string());
        links_[below(scope.inner, member.name)] = {below(scope.inner, target), scope.path + '!' + member.name};
    }

    void report_hidden_libraries() {
        for (const auto& [name, link] : links_) {
            if (!is_library_name(name)) continue;
            std::string target = link.target;
            for (int i = 0; i < 40; ++i)
                if (const auto next = links_.find(target); next != links_.end()) target = next->second.target;
            if (passed_over_.contains(std::hash<std::string>()(target)))
                report(link.path, {Errc::unreadable, "cannot read " + quoted(link.path, 4096) + ": it is a link to " +
                                                         quoted(target, 4096) +
                                                         ", which is not named like a library; unpack the archive, and "
                                                         "audit the folder"});
        }
    }

    void report_no_file(const std::string& path) {
        // A folder stands for what is in it, which has entries of its own.
        if (path.ends_with('/')) return;
        report(path, {Errc::unreadable,
                      "cannot read " + quoted(path, 4096) + ": it is a link or device; name the file it stands for"});
    }

    /// Metadata of the package, and manifests.
    static bool is_about_others(const Member& member, const Scope& scope) {
        return metadata_kind(member.name, scope.package->audit, scope.deb_control) != MetadataKind::none ||
               is_manifest_name(member.name);
    }

    void read_about_others(const Entry& entry, Scope& scope) {
        const std::string& name = entry.member.name;
        const MetadataKind metadata = metadata_kind(name, scope.package->audit, scope.deb_control);
        if (metadata != MetadataKind::none) return read_metadata(entry.stream, metadata, *scope.package);
        read_manifest(entry.stream, below(scope.inner, name), scope.path + '!' + name);
    }

    void walk_member(const Entry& entry, Scope& scope) {
        const Member& member = entry.member;
        const std::string inner = below(scope.inner, member.name);
        bool named = false;
        std::string_view deeper;
        if (!scope.wanted.empty()) {
            const std::string_view name = member.name;
            named = name == scope.wanted;
            if (scope.wanted.size() > name.size() && scope.wanted.starts_with(name) && scope.wanted[name.size()] == '!')
                deeper = scope.wanted.substr(name.size() + 1);
            std::string_view folder = scope.wanted;
            while (folder.ends_with('/')) folder.remove_suffix(1);
            const bool in_folder =
                name.size() > folder.size() && name.starts_with(folder) && name[folder.size()] == '/';
            if (!named && deeper.empty() && !in_folder && !is_part(member, scope)) return;
            if (named || in_folder) met_wanted_ = true;
        }
        const bool library = is_library_name(member.name);
        const bool archive = !library && archive_by_name(member.name);
        if (!named && deeper.empty() && !library && !archive) {
            if (entry.zip == nullptr && !second_) passed_over_.insert(std::hash<std::string>()(inner));
            return;
        }
        // What is in a wheel is installed, and can be imported, whatever its folder is called.
        if (!named && deeper.empty() && scope.package->audit.kind != "wheel" && is_in_ignored_folder(member.name))
            return;
        const std::string path = scope.path + '!' + member.name;
        if (!member.unreadable.empty())
            return report(path, {Errc::unsupported, "cannot read " + quoted(path, 4096) + ": " + member.unreadable});
        const bool plain = deeper.empty() && !named;
        if (library && plain && !member.claims_otherwise) return hand_over(entry, scope, inner, path, false);
        PeekedStream peeked(entry.stream);
        // The path that a link leads to, which an installer makes a text file of.
        if (member.claims_otherwise && plain && !looks_like_binary(peeked.head()) && !archive_by_content(peeked.head()))
            return;
        const bool nested =
            archive || !deeper.empty() || (!looks_like_binary(peeked.head()) && archive_by_content(peeked.head()));
        if (!nested) return hand_over({member, peeked, entry.zip}, scope, inner, path, true);
        if (second_ && !leads_to_late(inner)) return;
        walk_nested(peeked, member, scope, inner, path, deeper);
    }

    /// The archives of which .conda and .deb files are made.
    static bool is_part(const Member& member, const Scope& scope) {
        if (scope.deb) return member.name.starts_with("control.tar") || member.name.starts_with("data.tar");
        return is_part_of_conda(scope.path, member.name);
    }

    bool leads_to_late(const std::string& inner) const {
        const auto first = late_.lower_bound(inner + '!');
        return first != late_.end() && first->starts_with(inner + '!');
    }

    void walk_nested(PeekedStream& stream, const Member& member, const Scope& outer, const std::string& inner,
                     const std::string& path, std::string_view deeper) {
        usage_.check_nesting(outer.depth + 1, path);
        Scope scope;
        scope.path = path;
        scope.inner = inner;
        scope.depth = outer.depth + 1;
        // Of the parts of a package the user need not know: a name of a member is looked for in all of them.
        const bool part = is_part(member, outer);
        scope.wanted = !deeper.empty() ? deeper : part && member.name != outer.wanted ? outer.wanted : "";
        scope.deb_control = outer.deb && member.name.starts_with("control.tar");
        scope.package = part ? outer.package : started(path);
        scope.package_path = part ? outer.package_path : path;
        const auto kind = kind_of(stream.head(), member.name);
        if (kind != ArchiveKind::zip) return walk_stream(stream, kind, scope);
        // It has to be read from its end, so it has to be somewhere as a whole.
        OpenedFile file{open_temporary(), 0};
        file.size = spill(stream, file.descriptor.get(), 0, inputs_.budget().archive_size, path);
        walk_zip(std::make_shared<const OpenedFile>(std::move(file)), scope);
    }

    void hand_over(const Entry& entry, Scope& scope, const std::string& inner, const std::string& path, bool named) {
        if (second_ && !late_.contains(inner)) return;
        spoke_ = true;
        const Member& member = entry.member;
        Candidate candidate;
        if (entry.zip != nullptr)
            hand_over_packed(candidate, static_cast<const ZipMember&>(member), *entry.zip, path);
        else
            candidate.content =
                Content::of_stream(entry.stream, member.size, inputs_.budget().binary_size, path, inputs_.memory());
        candidate.path = path;
        candidate.module_path = below_import_root(member.name);
        candidate.named = named;
        candidate.in_wheel = scope.package->audit.kind == "wheel";
        PackageInProgress& package = *scope.package;
        // The second pass does not read metadata again, so it does not know by what name the package goes.
        if (const auto known = packages_.find(scope.package_path); known != packages_.end())
            package.index = known->second;
        else
            package.index = packages_[scope.package_path] = inputs_.add_package(package.audit);
        candidate.package = *package.index;
        if (const auto manifest = manifests_.find(inner); manifest != manifests_.end())
            candidate.manifest = manifest->second;
        const std::uint64_t sequence = inputs_.hand_over(std::move(candidate));
        if (second_) return;
        // Of a zip file manifests are known by now. A note too many, for names of the same hash, does no harm.
        bool again = false;
        if (entry.zip != nullptr) {
            again = !met_.insert(std::hash<std::string>()(inner)).second;
        } else {
            auto& sequences = handed_over_[inner];
            sequences.push_back(sequence);
            again = sequences.size() == 2;
        }
        if (again)
            note(*package.index, "the member " + quoted(member.name) +
                                     " occurs more than once: an installation keeps the last one, all are audited");
    }

    void note(std::size_t package, std::string text) {
        auto& notes = inputs_.package(package).notes;
        if (notes.size() < most_notes && std::find(notes.begin(), notes.end(), text) == notes.end())
            notes.push_back(std::move(text));
    }

    /// What it unpacks to is counted as the directory has it: more is not unpacked, whoever does it.
    void hand_over_packed(Candidate& candidate, const ZipMember& member, const ZipArchive& zip,
                          const std::string& path) {
        if (member.unpacked > inputs_.budget().binary_size)
            throw Failure(too_large(path, inputs_.budget().binary_size));
        usage_.count_unpacked(member.unpacked);
        candidate.memory = inputs_.memory().reserve(memory_to_unpack(member));
        candidate.packed = PackedMember{zip.file(), member, path};
    }

    static std::optional<std::string> read_small(ByteStream& stream, std::uint64_t limit) {
        std::string text(16 * 1024, '\0');
        std::size_t size = 0;
        for (;;) {
            const std::size_t got =
                stream.fill({reinterpret_cast<std::uint8_t*>(text.data()) + size, text.size() - size});
            size += got;
            if (size > limit) return std::nullopt;
            if (size < text.size()) break;
            text.resize(text.size() * 2);
        }
        text.resize(size);
        return text;
    }

    void read_metadata(ByteStream& stream, MetadataKind kind, PackageInProgress& package) {
        const auto text = read_small(stream, metadata_limit);
        if (!text) return;
        apply_metadata(package.audit, kind, *text);
        if (!package.index) return;
        PackageAudit& known = inputs_.package(*package.index);
        // Notes on members are in there only.
        apply_metadata(known, kind, *text);
    }

    void read_manifest(ByteStream& stream, const std::string& inner, const std::string& path) {
        auto text = read_small(stream, metadata_limit);
        if (!text || manifest_bytes_ + text->size() > manifests_limit)
            return report(path, {Errc::invalid_manifest,
                                 "the manifest " + quoted(path, 4096) + " is not read: " +
                                     (text ? "the archive has more than 16 MiB of them" : "it is larger than 1 MiB")});
        manifest_bytes_ += text->size();
        const std::string binary = inner.substr(0, inner.size() - manifest_ending.size());
        manifests_[binary] = std::move(*text);
        if (handed_over_.contains(binary)) late_.insert(binary);
    }

    Inputs& inputs_;
    std::string path_;
    std::shared_ptr<const OpenedFile> file_;
    Usage usage_;
    std::uint64_t directories_ = 0, manifest_bytes_ = 0;
    std::map<std::string, std::size_t> packages_;                    ///< index, by path
    std::map<std::string, std::string> manifests_;                   ///< by the inner path of the binary
    std::map<std::string, std::vector<std::uint64_t>> handed_over_;  ///< numbers, by inner path, of tar files
    struct LinkTo {
        std::string target;  ///< inner path
        std::string path;    ///< of the link, as in reports
    };
    std::map<std::string, LinkTo> links_;          ///< of tar files, by inner path
    std::unordered_set<std::size_t> passed_over_;  ///< hashes of inner paths of files in them that nobody asked for
    std::unordered_set<std::size_t> met_;          ///< hashes of inner paths, of zip files
    std::set<std::string> late_;                   ///< whose manifest came behind them
    bool second_ = false, stopped_ = false, spoke_ = false, met_wanted_ = false;
};

}  // namespace

void Inputs::walk_archive(const std::string& path, OpenedFile file, std::string_view wanted) {
    ArchiveWalk(*this, path, std::move(file)).walk(wanted);
}

}  // namespace interlock::auditing::inputs
