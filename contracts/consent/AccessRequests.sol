// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {ConsentWords} from "../libraries/ConsentWords.sol";
import {ConsentState} from "./ConsentState.sol";

/// @notice Asking for access. The answer is a grant or a refusal.
abstract contract AccessRequests is ConsentState {
    /// @dev Open while both are set; closed once the grantee is zero, so that it cannot be made again.
    struct Request {
        bytes32 patient;
        bytes32 grantee;
    }

    mapping(bytes32 request => Request) private _requests;

    /// @inheritdoc IConsentRegistry
    function requestAccess(AccessRequest calldata accessRequest) external whileGranting returns (bytes32 request) {
        bytes32 patient = accessRequest.patient;
        bytes32 grantee = accessRequest.grantee;
        if (!IDENTITY.speaksFor(grantee, msg.sender)) revert NotAuthorised(grantee, msg.sender);
        if (!_isPatient(patient)) revert UnknownPatient(patient);
        _requireLabels(accessRequest.labels);
        _requireTerms(
            ConsentWords.pack(accessRequest.from, accessRequest.to, accessRequest.purposes, accessRequest.categories),
            accessRequest.actions
        );
        request = keccak256(abi.encode(accessRequest));
        if (_requests[request].patient != 0) revert AlreadyRequested(request);
        _requests[request] = Request(patient, grantee);
        emit AccessRequested(patient, grantee, request, accessRequest);
    }

    /// @inheritdoc IConsentRegistry
    function refuseAccess(bytes32 request) external {
        Request memory open = _open(request);
        _requireSenderToRevoke(open.patient, _accounts[open.patient]);
        _requests[request].grantee = 0;
        emit AccessRefused(open.patient, open.grantee, request);
    }

    /// @inheritdoc IConsentRegistry
    function refuseAccessSigned(bytes32 request, uint40 deadline, bytes calldata signature) external {
        Request memory open = _open(request);
        _requireInTime(deadline);
        bytes32 structHash = keccak256(abi.encode(ConsentTypes.REFUSE_ACCESS, open.patient, request, deadline));
        _requireSignature(open.patient, _accounts[open.patient], structHash, signature, false);
        _requests[request].grantee = 0;
        emit AccessRefused(open.patient, open.grantee, request);
    }

    /// @inheritdoc IConsentRegistry
    function withdrawRequest(bytes32 request) external {
        Request memory open = _open(request);
        if (IDENTITY.controllerOf(open.grantee) != msg.sender && !IDENTITY.speaksFor(open.grantee, msg.sender)) {
            revert NotAuthorised(open.grantee, msg.sender);
        }
        _requests[request].grantee = 0;
        emit AccessRequestWithdrawn(open.patient, open.grantee, request);
    }

    function _open(bytes32 request) private view returns (Request memory open) {
        open = _requests[request];
        if (open.grantee == 0) revert UnknownRequest(request);
    }
}
