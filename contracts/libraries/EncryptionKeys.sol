// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Public keys as they are published
library EncryptionKeys {
    /// @dev 33 bytes, compressed (SEC 1, 2.3.3). Whether the point lies on the curve is the reader's check: it costs a
    /// square root here and an invalid key harms only its owner.
    function isWellFormed(bytes calldata key) internal pure returns (bool) {
        return key.length == 33 && (key[0] == 0x02 || key[0] == 0x03);
    }
}
