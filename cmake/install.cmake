# What users get: the command, the public headers, one static library, and what finds them
# (find_package, pkg-config, a Debian package by cpack).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The library is made of every room but the server, which only the command needs.
get_property(rooms GLOBAL PROPERTY TIDEGATE_ROOMS)
list(REMOVE_ITEM rooms asio)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:tidegate_\\1_objects>" OUTPUT_VARIABLE objects)
add_library(tidegate_library STATIC ${objects})
set_target_properties(tidegate_library PROPERTIES OUTPUT_NAME tidegate EXPORT_NAME tidegate)
target_compile_features(tidegate_library PUBLIC cxx_std_23)
target_include_directories(tidegate_library
  PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(tidegate_library PRIVATE fmt::fmt OpenSSL::SSL OpenSSL::Crypto hiredis)

# For servers on Boost.Beast: a header, and what it needs.
add_library(tidegate_beast INTERFACE)
set_target_properties(tidegate_beast PROPERTIES EXPORT_NAME beast)
target_link_libraries(tidegate_beast INTERFACE tidegate_library Boost::headers Threads::Threads)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tidegate)
install(TARGETS tidegate)
install(TARGETS tidegate_library EXPORT tidegateTargets)
install(TARGETS tidegate_beast EXPORT tidegateBeastTargets)
install(DIRECTORY include/tidegate TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
install(FILES LICENSE THIRD_PARTY.md CHANGELOG.md tidegate.toml TYPE DOC)
install(DIRECTORY contrib/prometheus contrib/grafana TYPE DOC)  # alerts and a dashboard
install(EXPORT tidegateTargets NAMESPACE tidegate:: DESTINATION ${package_dir})
install(EXPORT tidegateBeastTargets NAMESPACE tidegate:: DESTINATION ${package_dir})
write_basic_package_version_file(tidegateConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/tidegateConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/tidegateConfigVersion.cmake
        DESTINATION ${package_dir})

# Paths are relative to the .pc files, so that the tree may be moved, or installed elsewhere by --prefix.
file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name tidegate tidegate-beast)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the authors of tidegate")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# To compile against the library; the command needs neither.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libfmt-dev, libhiredis-dev, libssl-dev, libboost1.81-dev")
include(CPack)
