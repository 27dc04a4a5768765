// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {SignedActions} from "./SignedActions.sol";

/// @notice A patient says beforehand, as commitments, which providers it expects; a provider shows that it is one of them.
abstract contract ExpectedProviders is SignedActions {
    bytes32 private constant EXPECT_PROVIDERS =
        keccak256("ExpectProviders(bytes32 patient,bytes32[] commitments,uint256 nonce,uint256 deadline)");

    mapping(bytes32 patient => mapping(bytes32 commitment => bool)) private _expected;
    mapping(bytes32 patient => mapping(bytes32 provider => bool)) private _authenticated;

    /// @inheritdoc IIdentityRegistry
    function expectProviders(bytes32 patient, bytes32[] calldata commitments) external whileInForce {
        _requireSpeaker(patient);
        _expect(patient, commitments);
    }

    /// @inheritdoc IIdentityRegistry
    function expectProvidersSigned(
        bytes32 patient,
        bytes32[] calldata commitments,
        uint256 deadline,
        bytes calldata signature
    ) external whileInForce {
        bytes32 digest = _digest(
            keccak256(
                abi.encode(
                    EXPECT_PROVIDERS, patient, keccak256(abi.encodePacked(commitments)), _useNonce(patient), deadline
                )
            ),
            deadline
        );
        if (!_signed(controllerOf(patient), digest, signature)) revert NotAuthorised(patient, msg.sender);
        _expect(patient, commitments);
    }

    /// @inheritdoc IIdentityRegistry
    function withdrawExpectation(bytes32 patient, bytes32 commitment) external {
        if (msg.sender != controllerOf(patient)) _requireSpeaker(patient);
        if (!_expected[patient][commitment]) revert NotExpected(patient);
        delete _expected[patient][commitment];
        emit ProviderNoLongerExpected(patient, commitment);
    }

    /// @inheritdoc IIdentityRegistry
    function authenticateProvider(bytes32 patient, bytes32 provider, bytes32 general, bytes32 primary)
        external
        whileInForce
    {
        Kind kind = kindOf(provider);
        if (kind != Kind.Practitioner && kind != Kind.Entity) revert WrongKind(provider, kind);
        _requireSpeaker(provider);
        bytes32 commitment = keccak256(abi.encode(patient, provider, general, primary));
        if (!_expected[patient][commitment]) revert NotExpected(provider);
        delete _expected[patient][commitment];
        _authenticated[patient][provider] = true;
        emit ProviderAuthenticated(patient, provider);
    }

    /// @inheritdoc IIdentityRegistry
    function isExpected(bytes32 patient, bytes32 commitment) external view returns (bool) {
        return _expected[patient][commitment];
    }

    /// @inheritdoc IIdentityRegistry
    function isAuthenticated(bytes32 patient, bytes32 provider) external view returns (bool) {
        return _authenticated[patient][provider];
    }

    function _expect(bytes32 patient, bytes32[] calldata commitments) private {
        Kind kind = kindOf(patient);
        if (kind != Kind.Patient) revert WrongKind(patient, kind);
        for (uint256 i = 0; i < commitments.length; ++i) {
            _expected[patient][commitments[i]] = true;
            emit ProviderExpected(patient, commitments[i]);
        }
    }
}
