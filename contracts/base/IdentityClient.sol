// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {Retirable} from "./Retirable.sol";

/// @notice A contract that asks the identity registry who is who, and has the same administrator.
abstract contract IdentityClient is Retirable {
    IIdentityRegistry public immutable IDENTITY;

    constructor(IIdentityRegistry identity) {
        IDENTITY = identity;
    }

    /// @dev `IDENTITY.isActive(id)` without the overhead of the compiler's call; false if the call fails. An empty answer leaves
    /// what was in its place, which is not 1.
    function _isActive(bytes32 id) internal view returns (bool active) {
        address identity = address(IDENTITY);
        bytes4 selector = IIdentityRegistry.isActive.selector;
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, id)
            let done := staticcall(gas(), identity, 0x00, 0x24, 0x00, 0x20)
            active := and(done, eq(mload(0x00), 1))
        }
    }

    /// @dev `IDENTITY.operates(entity, msg.sender)` in the same way.
    function _senderOperates(bytes32 entity) internal view returns (bool does) {
        address identity = address(IDENTITY);
        bytes4 selector = IIdentityRegistry.operates.selector;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, selector)
            mstore(add(p, 0x04), entity)
            mstore(add(p, 0x24), caller())
            mstore(0x00, 0)
            let done := staticcall(gas(), identity, p, 0x44, 0x00, 0x20)
            does := and(done, eq(mload(0x00), 1))
        }
    }

    function _administrator() internal view override returns (address) {
        return IDENTITY.administrator();
    }
}
