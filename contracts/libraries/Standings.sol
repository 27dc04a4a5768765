// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";

/// @notice A party's standing: controller (160 bits, lowest), kind (8), status (8), validFrom (40), validTo (40).
type Standing is uint256;

using Standings for Standing global;

/// @title The word that holds who speaks for a party and whether it counts
library Standings {
    uint256 private constant STATUS_AT = 168;
    uint256 private constant FROM_AT = 176;
    uint256 private constant TO_AT = 216;
    uint256 private constant CONTROLLER = type(uint160).max;

    function pack(
        address controller_,
        IIdentityRegistry.Kind kind_,
        IIdentityRegistry.Status status_,
        uint40 validFrom_,
        uint40 validTo_
    ) internal pure returns (Standing) {
        return Standing.wrap(
            uint256(uint160(controller_)) | (uint256(kind_) << 160) | (uint256(status_) << STATUS_AT)
                | (uint256(validFrom_) << FROM_AT) | (uint256(validTo_) << TO_AT)
        );
    }

    function controller(Standing standing) internal pure returns (address) {
        return address(uint160(Standing.unwrap(standing)));
    }

    function kind(Standing standing) internal pure returns (IIdentityRegistry.Kind) {
        return IIdentityRegistry.Kind(uint8(Standing.unwrap(standing) >> 160));
    }

    function status(Standing standing) internal pure returns (IIdentityRegistry.Status) {
        return IIdentityRegistry.Status(uint8(Standing.unwrap(standing) >> STATUS_AT));
    }

    function validFrom(Standing standing) internal pure returns (uint40) {
        return uint40(Standing.unwrap(standing) >> FROM_AT);
    }

    function validTo(Standing standing) internal pure returns (uint40) {
        return uint40(Standing.unwrap(standing) >> TO_AT);
    }

    function isActive(Standing standing) internal view returns (bool) {
        uint256 word = Standing.unwrap(standing);
        return uint8(word >> STATUS_AT) == uint8(IIdentityRegistry.Status.Active)
            && uint40(word >> FROM_AT) <= block.timestamp && block.timestamp < word >> TO_AT;
    }

    /// @dev Kind and status are neighbours: one comparison.
    function isActiveEntity(Standing standing) internal view returns (bool active) {
        uint256 wanted = uint256(IIdentityRegistry.Kind.Entity) | (uint256(IIdentityRegistry.Status.Active) << 8);
        assembly ("memory-safe") {
            active := eq(and(shr(160, standing), 0xffff), wanted)
            active := and(active, iszero(gt(and(shr(176, standing), 0xffffffffff), timestamp()))) // validFrom
            active := and(active, gt(shr(216, standing), timestamp())) // validTo
        }
    }

    function isEntity(Standing standing) internal pure returns (bool) {
        return uint8(Standing.unwrap(standing) >> 160) == uint8(IIdentityRegistry.Kind.Entity);
    }

    function withController(Standing standing, address controller_) internal pure returns (Standing) {
        return Standing.wrap((Standing.unwrap(standing) & ~CONTROLLER) | uint160(controller_));
    }

    function withStatus(Standing standing, IIdentityRegistry.Status status_) internal pure returns (Standing) {
        return
            Standing.wrap((Standing.unwrap(standing) & ~(uint256(0xff) << STATUS_AT)) | (uint256(status_) << STATUS_AT));
    }

    function withValidity(Standing standing, uint40 validFrom_, uint40 validTo_) internal pure returns (Standing) {
        return Standing.wrap(
            (Standing.unwrap(standing) & ((1 << FROM_AT) - 1)) | (uint256(validFrom_) << FROM_AT)
                | (uint256(validTo_) << TO_AT)
        );
    }
}
