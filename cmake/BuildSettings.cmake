# Flags and defaults that every target of this project gets, and the dependencies.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

if(INTERLOCK_SANITIZE_ADDRESS AND INTERLOCK_SANITIZE_THREAD)
    message(FATAL_ERROR "AddressSanitizer and ThreadSanitizer exclude each other: choose one")
endif()
if(INTERLOCK_SANITIZE_ADDRESS)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
elseif(INTERLOCK_SANITIZE_THREAD)
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
endif()

# What our own code is compiled with; never reaches a consumer.
add_library(interlock_warnings INTERFACE)
target_compile_options(interlock_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
    -Wcast-align -Woverloaded-virtual -Wconversion -Wno-sign-conversion
    # gcc 12 at -O2 and above sees overlapping copies in "literal" + std::to_string(...): bug 105329.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    # std::stable_sort of libstdc++ 12 uses a function of its own that it calls deprecated; clang reports it here.
    $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
if(INTERLOCK_DEVELOPER)
    target_compile_options(interlock_warnings INTERFACE -Werror)
endif()

# Headers that components of this tree have for one another, and that are not installed: "base/glob.hpp".
add_library(interlock_private INTERFACE)
foreach(component base abi manifests loader audit)
    target_include_directories(interlock_private INTERFACE ${PROJECT_SOURCE_DIR}/${component}/private)
endforeach()

find_package(Threads REQUIRED)
find_package(TBB CONFIG REQUIRED)
find_package(nlohmann_json 3.10 CONFIG REQUIRED)
find_package(Boost 1.81 REQUIRED)

# interlock_component(name DEPENDS components... LIBRARIES targets...): the static library of one component, with its
# sources in src/ and its public headers in include/.
function(interlock_component name)
    cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/*.cpp)
    add_library(interlock_${name} STATIC ${sources})
    add_library(interlock::${name} ALIAS interlock_${name})
    set_target_properties(interlock_${name} PROPERTIES EXPORT_NAME ${name})
    target_include_directories(interlock_${name}
        PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE src)
    target_compile_features(interlock_${name} PUBLIC cxx_std_20)  # what the headers need; the sources are C++23
    foreach(dependency ${arg_DEPENDS})
        target_link_libraries(interlock_${name} PUBLIC interlock_${dependency})
    endforeach()
    target_link_libraries(interlock_${name} PRIVATE $<BUILD_INTERFACE:interlock_warnings> $<BUILD_INTERFACE:interlock_private> ${arg_LIBRARIES})
endfunction()
